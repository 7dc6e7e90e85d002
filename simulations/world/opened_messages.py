"""Opens every sealed key and every message of a log with the keys of the people that they are for."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from simulations.clients.encryption import CannotOpen, decrypt, open_session_key
from simulations.clients.user import User
from simulations.world.model.group import GroupModel
from simulations.world.model.model import Applied
from simulations.world.model.session import SessionModel

T = TypeVar("T")


class KeyFault(Exception):
    """A person cannot open a key or a message that is for this person. The text names both."""


class OpenedMessages:
    """Follows sessions and groups: all members of a generation must open the same key, and it must open the messages.

    Args:
        people: the people with their keys.

    Attributes:
        texts: the text of each message, by the message's id.
    """

    def __init__(self, people: Sequence[User]) -> None:
        self._people = people
        self._of_pid: dict[str, User] = {}
        self._of_pubkey = {user.pubkey: user for user in people}
        self._keys: dict[str, list[bytes]] = {}
        """The keys of each session and group; generation 1 is the first."""
        self.texts: dict[str, str] = {}

    def follow(self, applied: Applied) -> None:
        """Open what an accepted message added to a session or a group.

        Raises:
            KeyFault: a member cannot open it.
        """
        process, row = applied.process, applied.row
        if isinstance(process, SessionModel):
            if row.message.action == "RotateSessionKey":
                sealed = [(applied.body[f"pubkey_{side}"], applied.body[f"encrypted_sk_by_{side}"]) for side in "ab"]
                self._add(process.id, [(self._of_pubkey.get(pubkey), text) for pubkey, text in sealed])
            elif row.message.action == "SendMessage":
                self._open(row.message.id, process.id, applied.body["content"], process.messages[-1].generation)
        elif isinstance(process, GroupModel):
            known = len(self._keys.get(process.id, ()))
            if row.message.action in ("RotateGroupKey", "AddGroupKeys") and len(process.generations) > known:
                sealed_to = process.generations[-1].sealed
                missing = sorted(process.members.keys() - sealed_to.keys())
                if missing:
                    raise KeyFault(f"the key batch of the group {process.name!r} lacks the members {missing}")
                self._add(process.id, [(self._user(pid), text) for pid, text in sealed_to.items()])
            elif row.message.action == "SendMessage":
                self._open(row.message.id, process.id, applied.body["content"], process.messages[-1].generation)

    def _add(self, conversation: str, sealed: Sequence[tuple[User | None, str]]) -> None:
        opened: dict[bytes, str] = {}
        for user, text in sealed:
            if user is None:
                raise KeyFault("a key is sealed to a person who does not exist")
            opened[self._try(open_session_key, text, user.key, f"a key sealed to @{user.handle}")] = user.handle
        if len(opened) != 1:
            raise KeyFault(f"the members of a generation open different keys: {sorted(opened.values())}")
        self._keys.setdefault(conversation, []).extend(opened)

    def _open(self, message: str, conversation: str, content: str, generation: int) -> None:
        key = self._keys[conversation][generation - 1]
        self.texts[message] = self._try(decrypt, content, key, f"a message under generation {generation}")

    def _try(self, opening: Callable[[str, Any], T], text: str, key: Any, subject: str) -> T:
        try:
            return opening(text, key)
        except CannotOpen as error:
            raise KeyFault(f"{subject} does not open: {error}") from None

    def _user(self, pid: str) -> User | None:
        if pid not in self._of_pid:
            self._of_pid = {user.pid: user for user in self._people if user.pid}
        return self._of_pid.get(pid)
