"""The invariants that every world must keep, with or without faults."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors import replay
from actors.audit.audit import audit
from actors.audit.replay import ReplayResult
from eventstore import read_log
from simulations.clients.user import NodeClient, User


class Finding(Exception):
    """An invariant is broken. The text states what was expected and what was found.

    Attributes:
        message: id of the first message that is affected; empty if there is none.
        process: id of the process whose state is wrong; empty if it is none in particular.
        sequence: the event after which the invariant is broken; None for the message's event, or the log's last one.
    """

    def __init__(self, text: str, message: str = "", *, process: str = "", sequence: int | None = None) -> None:
        super().__init__(text)
        self.message, self.process, self.sequence = message, process, sequence


class WorldCrashed(Finding):
    """An unexpected error ended the world; it is the cause (``__cause__``)."""


class SentMessage(NamedTuple):
    """A message that the node acknowledged as durable."""

    number: int
    """Counts the acknowledgements of the whole world."""
    text: str
    message: str
    """Id of the message in the session."""
    at_ms: int
    """Virtual time of the acknowledgement."""


Channel = tuple[str, str]
"""A session, and the handle process of one of its two people: the messages of this person in this session."""


class Journal:
    """Records every message that was sent and every message that was read.

    Attributes:
        sent: acknowledged messages by channel, in order.
        read: texts read by channel, in order.
        read_after_ms: virtual time between the sending and the reading of each message.
    """

    def __init__(self) -> None:
        self.sent: defaultdict[Channel, list[SentMessage]] = defaultdict(list)
        self.read: defaultdict[Channel, list[str]] = defaultdict(list)
        self.read_after_ms: list[int] = []
        self._number = 0

    @property
    def message_count(self) -> int:
        """Number of messages sent. A message to a group counts once, although each member must read it."""
        return len({sent.message for channel in self.sent.values() for sent in channel})

    def record_sent(self, channel: Channel, text: str, message: str, now_ms: int) -> None:
        """Record an acknowledged message."""
        self._number += 1
        self.sent[channel].append(SentMessage(self._number, text, message, now_ms))

    def record_read(self, channel: Channel, text: str, now_ms: int) -> None:
        """Record the text of a message that was read."""
        sent, read = self.sent[channel], self.read[channel]
        if len(read) < len(sent):
            original = sent[len(read)]
            self.read_after_ms.append(now_ms - original.at_ms)
            if original.text == text:
                text = original.text  # keeps one copy in memory
        read.append(text)

    def compare(self) -> None:
        """Check that every message was read once, in order and unchanged.

        Raises:
            Finding: the first message for which this is not so.
        """
        broken: list[tuple[int, str, Finding]] = []
        for channel in self.sent.keys() | self.read.keys():
            sent, read = self.sent[channel], self.read[channel]
            for index in range(max(len(sent), len(read))):
                expected, found = [message.text for message in sent[index : index + 1]], read[index : index + 1]
                if expected != found:
                    session, sender = channel
                    affected = sent[min(index, len(sent) - 1)] if sent else SentMessage(0, "", "", 0)
                    subject = f"message {index + 1} of {sender} in {session}"
                    text = f"{subject}: expected {expected!r}, found {found!r}"
                    finding = Finding(text, affected.message, process=session.partition(" ")[0])
                    broken.append((affected.number, subject, finding))
                    break
        if broken:
            raise min(broken, key=lambda entry: entry[:2])[2]


def check(
    holds: bool, subject: str, expected: object, found: object, *, process: str = "", sequence: int | None = None
) -> None:
    """Raise a ``Finding`` about a process, after an event, unless a condition holds."""
    if not holds:
        raise Finding(f"{subject}: expected {expected!r}, found {found!r}", process=process, sequence=sequence)


class ExpectedHandle(NamedTuple):
    """The state that a person's handle must have at the end."""

    sessions: set[str]
    bio: str
    contacts: set[str]


async def check_handle(user: User, expected: ExpectedHandle, client: NodeClient) -> None:
    """Check the chat list, unread counts, profile and contacts of a person who has read everything.

    Raises:
        Finding: one of them is wrong.
    """
    process = user.pid
    rows = await user.chat_list(client)
    sessions = {row["sessionID"] for row in rows}
    complete = sessions == expected.sessions and len(rows) == len(sessions)
    check(complete, f"the chat list of @{user.handle}", expected.sessions, rows, process=process)
    unread = await user.query(client, user.pid, "GetUnread")
    none = {"total": 0, "sessions": {}}
    check(unread == none, f"unread messages of @{user.handle}", 0, unread, process=process)
    bio = (await user.query(client, user.pid, "GetProfile")).get("bio")
    check(bio == expected.bio, f"the bio of @{user.handle}", expected.bio, bio, process=process)
    contacts = {row["handle"] for row in await user.query(client, user.pid, "GetContacts")}
    same = contacts == expected.contacts
    check(same, f"the contacts of @{user.handle}", expected.contacts, contacts, process=process)


def check_log(path: Path, live: Mapping[str, object]) -> None:
    """Check that a log replays to the live state, has no pending outbox messages, and passes the audit.

    Args:
        path: the log file.
        live: has the ``state_root`` of the node that wrote the log.

    Raises:
        Finding: the replay differs.
        LogFault: the audit found a fault.
    """
    replayed = replay(path)
    check(replayed.state_root == live["state_root"], "the state root", live["state_root"], replayed.state_root)
    check(replayed.unsent == 0, "pending outbox messages", 0, replayed.unsent)
    check_counters(path, replayed)
    for fault in audit(path).faults:
        raise fault


def check_counters(path: Path, replayed: ReplayResult) -> None:
    """Check that each handle counts as many chats of strangers as its chat list has: the limit depends on it.

    Raises:
        Finding: a handle counts wrong.
    """
    log = read_log(path)
    try:
        processes = list(log.processes())
    finally:
        log.close()
    for process in processes:
        state = msgspec.json.decode(replayed.state(process))
        if isinstance(state, dict) and "strangers" in state:
            strangers = sum(1 for chat in state["chats"].values() if chat.get("stranger"))
            check(strangers == state["strangers"], "strangers' chats", strangers, state["strangers"], process=process)
