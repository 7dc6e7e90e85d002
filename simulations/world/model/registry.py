"""The model of a registry: names, sessions and groups."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from actors.protocol.derived_ids import spawned_id
from simulations.world.model.process import (
    SUCCESS,
    Body,
    Expected,
    NotModelled,
    ProcessModel,
    Received,
    Refused,
    Sent,
    Started,
)


class Name(NamedTuple):
    """A registered handle."""

    shown: str
    pid: str
    owner: str


class RegistryModel(ProcessModel):
    """Keeps handles, domains, sessions and groups; the transfer of names is not modelled."""

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self._names: dict[str, Name] = {}
        self._domains: dict[str, Name] = {}
        self._shown: dict[str, str] = {}
        """Handle process to its name."""
        self._sessions: dict[frozenset[str], str] = {}
        self._groups: dict[str, str] = {}

    def name_of(self, pid: str) -> str:
        """The name of a handle process; empty if it has none."""
        return self._shown.get(pid, "")

    def parts(self) -> Iterator[Any]:
        """See ``ProcessModel.parts``."""
        yield from self._names
        yield from self._sessions

    def shown_by(self, part: Any) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        if isinstance(part, frozenset):
            one, other = (self.name_of(pid) for pid in sorted(part))
            if one and other:
                yield "QuerySession", {"handleA": one, "handleB": other}
        else:
            yield "QueryHandle", {"handle": part}

    def _register(self, message: Received) -> Expected:
        body = message.body
        if "pid" in body:
            raise NotModelled("Register with a process")
        field, names = self._directory(body)
        shown = body[field].strip()
        if shown.lower() in names:
            raise Refused(f"{shown!r} is taken")
        pid = spawned_id(message.id, 0)
        names[shown.lower()] = Name(shown, pid, message.sender)
        if field == "handle":
            self._shown[pid] = shown
            self.touch(shown.lower())
        started = Started(pid, "mostao.handle", message.sender, {"name": shown, "pubkey": body.get("pubkey") or ""})
        return Expected({**SUCCESS, field: shown, "pid": pid, "owner": message.sender}, started=(started,))

    def _renounce(self, message: Received) -> Expected:
        field, names = self._directory(message.body)
        shown = message.body[field].strip()
        name = names.get(shown.lower())
        if name is None:
            raise Refused(f"{shown!r} is not registered")
        if name.owner != message.sender:
            raise Refused(f"only the owner of {name.shown!r} can do that")
        del names[shown.lower()]
        if field == "handle":
            del self._shown[name.pid]
            self.touch(shown.lower())
        return Expected({**SUCCESS, field: shown})

    def _establish(self, message: Received) -> Expected:
        one, other = self._registered(message.body["handleA"]), self._registered(message.body["handleB"])
        if message.sender not in (one.pid, other.pid, one.owner, other.owner):
            raise Refused(f"only the owner of {one.shown!r} or of {other.shown!r} can establish their session")
        if one.pid == other.pid:
            raise Refused("a session is between two handles, not of one with itself")
        pair = frozenset((one.pid, other.pid))
        is_new = pair not in self._sessions
        session = self._sessions.setdefault(pair, spawned_id(message.id, 0))
        entries = [
            _chat_list_entry(side.pid, session, counterpart.shown, counterpart.pid, message.sender)
            for side, counterpart in ((one, other), (other, one))
        ]
        started = Started(session, "mostao.session", self.id, {"a": one.pid, "b": other.pid})
        self.touch(pair)
        return Expected({**SUCCESS, "sessionID": session}, tuple(entries), (started,) if is_new else ())

    def _create_group(self, message: Received) -> Expected:
        founder, name = self._owned(message), message.body["name"]
        group = spawned_id(message.id, 0)
        self._groups[group] = name
        start = {"name": name, "creator": founder.pid, "free": message.body.get("free", False)}
        return Expected(
            {**SUCCESS, "groupID": group},
            (_chat_list_entry(founder.pid, group, name, group, message.sender),),
            (Started(group, "mostao.group", self.id, start),),
        )

    def _join_group(self, message: Received) -> Expected:
        joiner, group = self._owned(message), message.body["group"]
        if group not in self._groups:
            raise Refused(f"there is no group {group!r}")
        return Expected(SUCCESS, (Sent(group, "Join", {"member": joiner.pid, "by": message.sender}),))

    def _group_joined(self, message: Received) -> Expected:
        if not message.from_process or message.sender not in self._groups:
            raise Refused("only a group of this registry can say who joined it")
        group, body = message.sender, message.body
        members = [pid for pid in body["members"] if pid in self._shown]
        entries = (_chat_list_entry(pid, group, body["name"], group, body["by"]) for pid in members)
        return Expected(SUCCESS, tuple(entries), quiet=True)

    def _reply(self, _: Received) -> Expected:
        return Expected()

    def _registered(self, text: str) -> Name:
        name = self._names.get(text.strip().lower())
        if name is None:
            raise Refused(f"the handle {text.strip()!r} is not registered")
        return name

    def _owned(self, message: Received) -> Name:
        name = self._registered(message.body["handle"])
        if message.sender not in (name.pid, name.owner):
            raise Refused(f"only the owner of {name.shown!r} can do that")
        return name

    def _directory(self, body: Body) -> tuple[str, dict[str, Name]]:
        """The field of the body that holds a name, and the names of its kind."""
        return ("handle", self._names) if "handle" in body else ("name", self._domains)

    def _query_name(self, body: Body, _: int) -> Body:
        field, names = self._directory(body)
        text = body[field].strip()
        name = names.get(text.lower())
        if name is None:
            return {**SUCCESS, field: text, "registered": False}
        return {**SUCCESS, field: name.shown, "registered": True, "pid": name.pid, "owner": name.owner}

    def _get_handles(self, body: Body, _: int) -> list[Body]:
        return [{"handle": name.shown, "pid": name.pid} for name in self._names.values() if name.owner == body["owner"]]

    def _get_domains(self, body: Body, _: int) -> list[Body]:
        return [{"name": name.shown, "pid": name.pid} for name in self._domains.values() if name.owner == body["owner"]]

    def _query_session(self, body: Body, _: int) -> Body:
        names = [self._names.get(body[side].strip().lower()) for side in ("handleA", "handleB")]
        session = self._sessions.get(frozenset(name.pid for name in names if name))
        if session is None:
            raise Refused("No session found")
        return {**SUCCESS, "sessionID": session}

    changes: ClassVar[dict[str, Any]] = {
        "Register": _register,
        "Renounce": _renounce,
        "EstablishSession": _establish,
        "CreateGroup": _create_group,
        "JoinGroup": _join_group,
        "GroupJoined": _group_joined,
        "Reply": _reply,
    }
    queries: ClassVar[dict[str, Any]] = {
        "QueryHandle": _query_name,
        "QueryDomain": _query_name,
        "GetHandles": _get_handles,
        "GetDomains": _get_domains,
        "QuerySession": _query_session,
    }


def _chat_list_entry(pid: str, session: str, other_name: str, other_id: str, by: str) -> Sent:
    body = {"sessionID": session, "otherHandleName": other_name, "otherHandleID": other_id, "by": by}
    return Sent(pid, "UpdateChatList", body)
