"""What has to hold in every world, whatever goes wrong in it."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from actors import replay
from actors.audit.audit import audit
from simulations.clients.user import NodeClient, User


class Finding(Exception):
    """The world is not as it has to be; says what was expected and what was found.

    Attributes:
        message: id of the first message that is concerned; empty if there is none.
    """

    def __init__(self, text: str, message: str = "") -> None:
        super().__init__(text)
        self.message = message


class Said(NamedTuple):
    """A message that its sender was told is durable."""

    number: int
    """Among all of the world, in the order of the acknowledgements."""
    text: str
    message: str
    """Its id in the session."""
    at_ms: int
    """When, in virtual time."""


Voice = tuple[str, str]
"""A session, and the handle process of one of its two sides."""


class Journal:
    """Who said what, and who read what."""

    def __init__(self) -> None:
        self.said: defaultdict[Voice, list[Said]] = defaultdict(list)
        self.read: defaultdict[Voice, list[str]] = defaultdict(list)
        self.read_after_ms: list[int] = []
        """How long each message that was read had been there, in virtual time."""
        self._number = 0

    @property
    def sent(self) -> int:
        """Number of messages; one to a group, which each of its members has to read, is one."""
        return len({said.message for voice in self.said.values() for said in voice})

    def says(self, voice: Voice, text: str, message: str, now_ms: int) -> None:
        """Note what was acknowledged."""
        self._number += 1
        self.said[voice].append(Said(self._number, text, message, now_ms))

    def reads(self, voice: Voice, text: str, now_ms: int) -> None:
        """Note what was read."""
        said, read = self.said[voice], self.read[voice]
        if len(read) < len(said):
            written = said[len(read)]
            self.read_after_ms.append(now_ms - written.at_ms)
            if written.text == text:
                text = written.text  # kept once
        read.append(text)

    def compare(self) -> None:
        """Everybody read what was written to them: every message, once, in order, as it was written.

        Raises:
            Finding: the first message for which this is not so.
        """
        broken: list[tuple[int, str, Finding]] = []
        for voice in self.said.keys() | self.read.keys():
            said, read = self.said[voice], self.read[voice]
            for place in range(max(len(said), len(read))):
                expected, found = [one.text for one in said[place : place + 1]], read[place : place + 1]
                if expected != found:
                    session, sender = voice
                    concerned = said[min(place, len(said) - 1)] if said else Said(0, "", "", 0)
                    what = f"message {place + 1} of {sender} in session {session}"
                    finding = Finding(f"{what}: expected {expected!r}, found {found!r}", concerned.message)
                    broken.append((concerned.number, what, finding))
                    break
        if broken:
            raise min(broken, key=lambda one: one[:2])[2]


def check(holds: bool, what: str, expected: object, found: object) -> None:
    """Raise a ``Finding`` unless something holds."""
    if not holds:
        raise Finding(f"{what}: expected {expected!r}, found {found!r}")


class Kept(NamedTuple):
    """What a person's handle has to know in the end."""

    sessions: set[str]
    bio: str
    contacts: set[str]


async def check_handle(user: User, kept: Kept, door: NodeClient) -> None:
    """Chat list, unread counts, profile and contacts of somebody who has read everything.

    Raises:
        Finding: one of them is wrong.
    """
    rows = await user.chat_list(door)
    sessions = {row["sessionID"] for row in rows}
    check(sessions == kept.sessions and len(rows) == len(sessions), f"{user.handle}'s chat list", kept.sessions, rows)
    unread = await user.query(door, user.pid, "GetUnread")
    check(unread == {"total": 0, "sessions": {}}, f"what {user.handle} has not read", 0, unread)
    profile = await user.query(door, user.pid, "GetProfile")
    check(profile.get("bio") == kept.bio, f"{user.handle}'s bio", kept.bio, profile.get("bio"))
    contacts = {row["handle"] for row in await user.query(door, user.pid, "GetContacts")}
    check(contacts == kept.contacts, f"{user.handle}'s contacts", kept.contacts, contacts)


def check_log(path: Path, figures: Mapping[str, object]) -> None:
    """A world's log replays to the state that was live, holds nothing back, and passes the audit.

    Raises:
        Finding: it does not.
        LogFault: it contradicts itself.
    """
    replayed = replay(path)
    check(replayed.state_root == figures["state_root"], "the state root", figures["state_root"], replayed.state_root)
    check(replayed.unsent == 0, "unsent messages", 0, replayed.unsent)
    for fault in audit(path).faults:
        raise fault
