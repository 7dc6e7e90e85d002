"""The model of Relation ONE's contracts: names, followers and groups."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from actors.crypto.secp256k1 import checksummed, keccak
from simulations.world.model.process import SUCCESS, Body, Expected, ProcessModel, Received, Refused


@dataclass
class Dao:
    """A group."""

    name: str
    owner: str
    free: bool = False
    uri: str = ""
    members: list[str] = field(default_factory=list)
    """In the order of joining."""


class ContractsModel(ProcessModel):
    """Keeps names, follows and groups.

    Attributes:
        names: addresses that have a name, each with its first name.
        daos: groups by their address.
        joined: for each person and group, the number of messages at the time of joining.
    """

    def __init__(self, start: Received) -> None:
        super().__init__(start)
        self._taken: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._following: dict[str, list[str]] = {}
        self._followers: dict[str, dict[str, int]] = {}
        """For each person the followers, each with the number of its token."""
        self.profiles: dict[str, str] = {}
        self.daos: dict[str, Dao] = {}
        self.joined: dict[str, dict[str, int]] = {}

    def message_count(self) -> int:
        """Number of messages. A subclass defines it."""
        raise NotImplementedError

    def shown_by(self, part: Any) -> Iterator[tuple[str, Body]]:
        """See ``ProcessModel.shown_by``."""
        kind, address = part
        if kind == "person":
            yield "nameOf", {"addr": address}
            yield "following", {"addr": address}
            yield "followers", {"addr": address}
            yield "profileURI", {"addr": address}
        elif kind == "dao":
            yield "members", {"dao": address}
            yield "isFreeJoin", {"dao": address}
            yield "name", {"dao": address}
            yield "daoURI", {"dao": address}

    def _register(self, message: Received) -> Expected:
        owner, name = _caller(message), message.body["name"].strip()
        if checksummed(message.body["owner"]) != owner:
            raise Refused("only the owner itself can do that")
        if name.lower() in self._taken:
            raise Refused(f"{name!r} is taken")
        self._taken[name.lower()] = owner
        if message.body.get("reverseRecord") or owner not in self.names:
            self.names[owner] = name
        self.touch(("person", owner))
        return Expected({**SUCCESS, "tokenId": len(self._taken)})

    def _follow(self, message: Received) -> Expected:
        caller, followed = self.named(_caller(message)), self.named(checksummed(message.body["addr"]))
        if caller == followed:
            raise Refused("nobody follows himself")
        followers = self._followers.setdefault(followed, {})
        if caller in followers:
            raise Refused(f"{caller} follows {followed} already")
        followers[caller] = max(followers.values(), default=0) + 1
        self._following.setdefault(caller, []).append(followed)
        self.touch(("person", caller), ("person", followed))
        return Expected({**SUCCESS, "tokenId": followers[caller]})

    def _unfollow(self, message: Received) -> Expected:
        caller, followed = _caller(message), checksummed(message.body["addr"])
        followers = self._followers.get(followed, {})
        if caller not in followers:
            raise Refused(f"{caller} does not follow {followed}")
        del followers[caller]
        self._following[caller].remove(followed)
        self.touch(("person", caller), ("person", followed))
        return Expected(SUCCESS)

    def _set_profile_uri(self, message: Received) -> Expected:
        caller = self.named(_caller(message))
        self.profiles[caller] = message.body["profileURI"]
        self.touch(("person", caller), ("chats", caller))
        return Expected(SUCCESS)

    def _set_dao_uri(self, message: Received) -> Expected:
        address, dao = self._administered(message)
        dao.uri = message.body["uri"]
        self.touch(("dao", address), *(("chats", member) for member in dao.members))
        return Expected(SUCCESS)

    def _deploy(self, message: Received) -> Expected:
        owner = _caller(message)
        if checksummed(message.body["owner"]) != owner:
            raise Refused("only the owner itself can do that")
        self.named(owner)
        digest = keccak(f"mostao.dao {message.process} {message.id}".encode())
        address = checksummed("0x" + digest[-20:].hex())
        self.daos[address] = Dao(message.body["name"], owner)
        self._add(address, [owner])
        return Expected({**SUCCESS, "dao": address})

    def _set_free_join(self, message: Received) -> Expected:
        address, dao = self._administered(message)
        dao.free = message.body["free"]
        self.touch(("dao", address))
        return Expected(SUCCESS)

    def _join(self, message: Received) -> Expected:
        address, dao = self.dao_of(message.body["dao"])
        if not dao.free:
            raise Refused("this group is not free to join: its administrator adds its members")
        return self._add(address, [self.named(_caller(message))])

    def _add_member(self, message: Received) -> Expected:
        address, _ = self._administered(message)
        return self._add(address, [self.named(checksummed(text)) for text in message.body["addr"]])

    def _add(self, address: str, added: list[str]) -> Expected:
        dao = self.daos[address]
        for member in added:
            if member in dao.members:
                raise Refused(f"{member} is a member already")
        for member in added:
            dao.members.append(member)
            self.joined.setdefault(member, {})[address] = self.message_count()
        self.touch(("dao", address), *(("chats", member) for member in added))
        return Expected(SUCCESS)

    def _remove(self, message: Received) -> Expected:
        address, dao = self.dao_of(message.body["dao"])
        member, caller = checksummed(message.body["addr"]), _caller(message)
        if member not in dao.members:
            raise Refused(f"{member} is no member")
        if caller not in (member, dao.owner):
            raise Refused("only a member itself, or the administrator, can do that")
        if member == dao.owner:
            raise Refused("the administrator stays")
        dao.members.remove(member)
        del self.joined[member][address]
        self.touch(("dao", address), ("chats", member))
        return Expected(SUCCESS)

    def _balance_of(self, message: Received) -> Expected:
        return Expected(self._balance(message.body, message.timestamp))

    def named(self, address: str) -> str:
        """The address, which must have a name."""
        if address not in self.names:
            raise Refused(f"{address} has no name: register one first")
        return address

    def dao_of(self, text: str) -> tuple[str, Dao]:
        """A group's address and the group, which must exist."""
        address = checksummed(text)
        if address not in self.daos:
            raise Refused(f"there is no group {address}")
        return address, self.daos[address]

    def _administered(self, message: Received) -> tuple[str, Dao]:
        address, dao = self.dao_of(message.body["dao"])
        if _caller(message) != dao.owner:
            raise Refused("only the administrator of this group can do that")
        return address, dao

    def _balance(self, body: Body, _: int) -> Body:
        return {"balance": int(checksummed(body["addr"]) in self.dao_of(body["dao"])[1].members)}

    def _name_of(self, body: Body, _: int) -> Body:
        return {"name": self.names.get(checksummed(body["addr"]), "")}

    def _profile_uri(self, body: Body, _: int) -> Body:
        return {"profileURI": self.profiles.get(checksummed(body["addr"]), "")}

    def _dao_uri(self, body: Body, _: int) -> Body:
        return {"daoURI": self.dao_of(body["dao"])[1].uri}

    def _get_followers(self, body: Body, _: int) -> list[str]:
        return list(self._followers.get(checksummed(body["addr"]), {}))

    def _get_following(self, body: Body, _: int) -> list[str]:
        return list(self._following.get(checksummed(body["addr"]), []))

    def _get_members(self, body: Body, _: int) -> list[str]:
        return list(self.dao_of(body["dao"])[1].members)

    def _is_free(self, body: Body, _: int) -> Body:
        return {"isFreeJoin": self.dao_of(body["dao"])[1].free}

    def _name(self, body: Body, _: int) -> Body:
        return {"name": self.dao_of(body["dao"])[1].name}

    changes: ClassVar[dict[str, Any]] = {
        "register": _register,
        "follow": _follow,
        "unfollow": _unfollow,
        "setProfileURI": _set_profile_uri,
        "setDaoURI": _set_dao_uri,
        "deployDaoContract": _deploy,
        "setFreeJoin": _set_free_join,
        "join": _join,
        "addMember": _add_member,
        "remove": _remove,
        "balanceOf": _balance_of,
    }
    queries: ClassVar[dict[str, Any]] = {
        "nameOf": _name_of,
        "followers": _get_followers,
        "following": _get_following,
        "members": _get_members,
        "isFreeJoin": _is_free,
        "profileURI": _profile_uri,
        "daoURI": _dao_uri,
        "name": _name,
        "balanceOf": _balance,
    }


def _caller(message: Received) -> str:
    try:
        return checksummed(message.sender)
    except ValueError:
        raise Refused("only an Ethereum account can do that") from None
