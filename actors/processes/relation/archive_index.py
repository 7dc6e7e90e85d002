"""An archive's bookkeeping: which messages were packed, and what each pack is called (relation-one-im.md 4.3, 8).

What is to be packed is written down before it is, so that whoever is interrupted packs the same again.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from actors.processes.base import Process, action, succeed
from actors.processes.collections.append_only_list import History
from actors.processes.relation.message import TIME_MS_MAX
from actors.processes.request_body import Body, NoBody
from actors.protocol.messages import Context, Effects, Refusal

_Number = Annotated[int, Meta(ge=1, le=TIME_MS_MAX, description="a whole number from 1")]
_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z", description="an id of 43 characters")]


class Pack(msgspec.Struct, frozen=True, gc=False):
    """One transaction of the archive."""

    id: str
    first: int
    """Place of its first message."""
    count: int
    timestamp: int
    """When it was stored, in ms."""


class ArchiveState(msgspec.Struct, frozen=True, gc=False):
    """What an archive knows."""

    began: int
    """When it started, in ms."""
    packs: History[Pack] = History()
    packed: int = 0
    """Number of messages that are packed."""
    pending: int = 0
    """Number of messages that are being packed."""


class BeginPack(Body):
    """How many messages."""

    count: _Number


class Stored(Body):
    """What the transaction is called."""

    id: _Id


class Archive(Process):
    """Module ``mostao.archive@1``. Only its owner, who packs, changes it."""

    __slots__ = ()

    module = "mostao.archive@1"
    state: ArchiveState

    def __init__(self, data: bytes, context: Context) -> None:
        """Whatever the data: nothing is packed yet."""
        self.state = ArchiveState(context.timestamp)

    @action("beginPack", body=BeginPack)
    def begin_pack(self, body: BeginPack, context: Context) -> Effects:
        """``{"count"}``: the messages after those that are packed are to be."""
        self._only_owner(context)
        if self.state.pending:
            raise Refusal(f"{self.state.pending} messages are being packed: finish that first")
        self._replace(pending=body.count)
        return Effects(succeed())

    @action("stored", body=Stored)
    def stored(self, body: Stored, context: Context) -> Effects:
        """``{"id"}``: the transaction with them is in the archive."""
        self._only_owner(context)
        first, count = self.state.packed, self.state.pending
        if not count:
            raise Refusal("nothing is being packed")
        pack = Pack(body.id, first, count, context.timestamp)
        self._replace(packs=self.state.packs.append(pack), packed=first + count, pending=0)
        return Effects(succeed(packs=len(self.state.packs)))

    @action("getArchive")
    def get_archive(self, body: NoBody, context: Context) -> Effects:
        """The newest transaction's id, and how far it goes."""
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
