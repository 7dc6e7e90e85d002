"""The archive index: which messages are packed, and the id of each pack (relation-one-im.md 4.3, 8).

The index records the messages of a pack before the pack is stored, so a packer that was interrupted packs the same
messages again.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from actors.processes.base import Process, action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.relation.message import TIME_MS_MAX
from actors.processes.request_body import Body, EmptyBody
from actors.protocol.messages import Context, Effects, Refusal

_Number = Annotated[int, Meta(ge=1, le=TIME_MS_MAX, description="a whole number from 1")]
_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z", description="an id of 43 characters")]


class Pack(msgspec.Struct, frozen=True, gc=False):
    """One pack: a transaction of the archive."""

    id: str
    first: int
    """Place of its first message, from 0."""
    count: int
    timestamp: int
    """Time of storing, in ms."""


class ArchiveState(msgspec.Struct, frozen=True, gc=False):
    """State of an archive index."""

    began: int
    """Time of the start, in ms."""
    packs: History[Pack] = History()
    packed: int = 0
    """Number of packed messages."""
    pending: int = 0
    """Number of messages in the open pack; 0 if there is none."""


class BeginPack(Body):
    """Number of messages of a new pack."""

    count: _Number


class Stored(Body):
    """Id of the stored transaction."""

    id: _Id


class Archive(Process):
    """The index of an archive of messages. Its owner packs the messages. Its start data is ignored."""

    __slots__ = ()

    module = "mostao.archive@1"
    state: ArchiveState

    def __init__(self, data: bytes, context: Context) -> None:
        """Start without packs. The data is ignored."""
        self.state = ArchiveState(context.timestamp)

    @action("beginPack", body=BeginPack, callers="the owner", reply="`status`")
    def begin_pack(self, body: BeginPack, context: Context) -> Effects:
        """Begin a pack of the next messages that are not packed."""
        self._only_owner(context)
        if self.state.pending:
            raise Refusal(f"{self.state.pending} messages are being packed: finish that first")
        self._replace(pending=body.count)
        return Effects(succeed())

    @action("stored", body=Stored, callers="the owner", reply="`status`, `packs` (their number)")
    def stored(self, body: Stored, context: Context) -> Effects:
        """Finish the pack: its transaction is stored in the archive."""
        self._only_owner(context)
        first, count = self.state.packed, self.state.pending
        if not count:
            raise Refusal("nothing is being packed")
        pack = Pack(body.id, first, count, context.timestamp)
        self._replace(packs=self.state.packs.append(pack), packed=first + count, pending=0)
        return Effects(succeed(packs=len(self.state.packs)))

    @action(
        "getArchive",
        reply="`newest` (id, or empty), `packs` (their number), `packed`, `pending` (messages), `since` (ms)",
    )
    def get_archive(self, body: EmptyBody, context: Context) -> Effects:
        """Return the newest pack and the numbers of packed and pending messages."""
        packs = self.state.packs
        return Effects(
            {
                "newest": packs[-1].id if packs else "",
                "packs": len(packs),
                "packed": self.state.packed,
                "pending": self.state.pending,
                "since": packs[-1].timestamp if packs else self.state.began,
            }
        )

    def _only_owner(self, context: Context) -> None:
        if context.sender != context.owner:
            raise Refusal("only the owner of this archive can do that")
