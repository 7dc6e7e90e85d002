"""Relation ONE's contracts as actions of one process: the name, follow and DAO registers."""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.crypto.secp256k1 import checksummed, keccak
from actors.processes.base import Process, action, succeed
from actors.processes.collections.map import Map
from actors.processes.messaging.name_directory import Directory
from actors.processes.relation.contract_bodies import (
    AddMembers,
    Address,
    BalanceOf,
    DaoUri,
    DeployDao,
    FreeJoin,
    OfDao,
    Register,
    RemoveMember,
    Uri,
)
from actors.processes.relation.dao import Dao
from actors.protocol.messages import REPLY, Context, Effects, Refusal

ACCOUNT = "an Ethereum account"
NAMED = "an Ethereum account with a name"
OWNER = "the Ethereum account `owner`"
ADMINISTRATOR = "the administrator of the group"


class ContractsState(msgspec.Struct, frozen=True, gc=False):
    """State of the registers. Addresses have EIP-55 checksums."""

    names: Directory = Directory()
    """The names. A name is a token that cannot be transferred. Only accounts with a name may send private messages."""
    reverse: Map[str, str] = Map()
    """Address to its reverse record: the name that it uses."""
    profiles: Map[str, str] = Map()
    """Address to the URI of its avatar."""
    follows: Map[str, Map[str, int]] = Map()
    """Address to its followers, each with the number of its token."""
    followed: Map[str, Map[str, int]] = Map()
    """Address to the addresses that it follows, each with a number for the order."""
    daos: Map[str, Dao] = Map()
    groups: Map[str, Map[str, int]] = Map()
    """Address to its groups, each with the number of messages at the time of joining."""


class Contracts(Process):
    """The name, follow and DAO registers (relation-one-im.md 2.1, 5). Actions have the contracts' method names."""

    __slots__ = ()

    state: ContractsState

    @action("register", body=Register, callers=OWNER, reply="`status`, `tokenId`")
    def register(self, body: Register, context: Context) -> Effects:
        """Register a name for an Ethereum account. The name is a token of its own."""
        owner = _same(body.owner, caller_of(context))
        names = self.state.names.register(body.name, pid=owner, owner=owner)
        self._replace(names=names)
        if body.reverseRecord or owner not in self.state.reverse:
            self._replace(reverse=self.state.reverse.set(owner, body.name.strip()))
        return Effects(succeed(tokenId=names.registrations))

    @action("setProfileURI", body=Uri, callers=NAMED, reply="`status`")
    def set_profile_uri(self, body: Uri, context: Context) -> Effects:
        """Set the URI of the sender's avatar."""
        caller = self._named(caller_of(context))
        self._replace(profiles=self.state.profiles.set(caller, body.profileURI))
        return Effects(succeed())

    @action("nameOf", body=Address, reply="`name`")
    def name_of(self, body: Address, context: Context) -> Effects:
        """Return the name that an address uses; empty if it has none."""
        return Effects({"name": self.state.reverse.get(address_of(body.addr), "")})

    @action("profileURI", body=Address, reply="`profileURI`")
    def profile_uri(self, body: Address, context: Context) -> Effects:
        """Return the URI of an address's avatar; empty if it set none."""
        return Effects({"profileURI": self.state.profiles.get(address_of(body.addr), "")})

    @action("follow", body=Address, callers=NAMED, reply="`status`, `tokenId`")
    def follow(self, body: Address, context: Context) -> Effects:
        """Follow an address."""
        caller, followed = self._named(caller_of(context)), self._named(address_of(body.addr))
        if caller == followed:
            raise Refusal("nobody follows himself")
        followers = self.state.follows.get(followed, Map())
        if caller in followers:
            raise Refusal(f"{caller} follows {followed} already")
        followers = followers.set(caller, max(followers.values(), default=0) + 1)
        friends = self.state.followed.get(caller, Map())
        friends = friends.set(followed, max(friends.values(), default=0) + 1)
        self._replace(
            follows=self.state.follows.set(followed, followers), followed=self.state.followed.set(caller, friends)
        )
        return Effects(succeed(tokenId=followers[caller]))

    @action("unfollow", body=Address, callers=ACCOUNT, reply="`status`")
    def unfollow(self, body: Address, context: Context) -> Effects:
        """Stop following an address."""
        caller, followed = caller_of(context), address_of(body.addr)
        followers = self.state.follows.get(followed, Map())
        if caller not in followers:
            raise Refusal(f"{caller} does not follow {followed}")
        self._replace(
            follows=self.state.follows.set(followed, followers.delete(caller)),
            followed=self.state.followed.set(caller, self.state.followed[caller].delete(followed)),
        )
        return Effects(succeed())

    @action("followers", body=Address, reply="list of addresses")
    def followers(self, body: Address, context: Context) -> Effects:
        """List the followers of an address."""
        return Effects(_by_token(self.state.follows.get(address_of(body.addr), Map())))

    @action("following", body=Address, reply="list of addresses")
    def following(self, body: Address, context: Context) -> Effects:
        """List the addresses that an address follows: its friend list."""
        return Effects(_by_token(self.state.followed.get(address_of(body.addr), Map())))

    @action(
        "deployDaoContract",
        body=DeployDao,
        callers=f"{OWNER}, with a name",
        reply="`status`, `dao` (address of the group)",
    )
    def deploy_dao_contract(self, body: DeployDao, context: Context) -> Effects:
        """Create a group. Its owner is the administrator and the first member."""
        owner = self._named(_same(body.owner, caller_of(context)))
        address = checksummed("0x" + keccak(f"mostao.dao {context.process} {context.message_id}".encode())[-20:].hex())
        self._keep_members(address, Dao(body.name, owner).with_members(owner), added=[owner])
        return Effects(succeed(dao=address))

    @action("isFreeJoin", body=OfDao, reply="`isFreeJoin`")
    def is_free_join(self, body: OfDao, context: Context) -> Effects:
        """Return whether any account with a name may join a group."""
        return Effects({"isFreeJoin": self._dao(body.dao)[1].free})

    @action("setFreeJoin", body=FreeJoin, callers=ADMINISTRATOR, reply="`status`")
    def set_free_join(self, body: FreeJoin, context: Context) -> Effects:
        """Set whether any account with a name may join a group."""
        return self._keep(*self._administered(body.dao, context), free=body.free)

    @action("join", body=OfDao, callers=NAMED, reply="`status`")
    def join(self, body: OfDao, context: Context) -> Effects:
        """Join a group that is free to join."""
        address, dao = self._dao(body.dao)
        if not dao.free:
            raise Refusal("this group is not free to join: its administrator adds its members")
        caller = self._named(caller_of(context))
        return self._keep_members(address, dao.with_members(caller), added=[caller])

    @action("addMember", body=AddMembers, callers=ADMINISTRATOR, reply="`status`")
    def add_member(self, body: AddMembers, context: Context) -> Effects:
        """Add accounts with a name to a group."""
        address, dao = self._administered(body.dao, context)
        added = [self._named(address_of(address)) for address in body.addr]
        return self._keep_members(address, dao.with_members(*added), added=added)

    @action(
        "remove", body=RemoveMember, callers="the member itself, or the administrator of the group", reply="`status`"
    )
    def remove(self, body: RemoveMember, context: Context) -> Effects:
        """Remove a member from a group. The administrator cannot be removed."""
        address, dao = self._dao(body.dao)
        member = address_of(body.addr)
        return self._keep_members(address, dao.without(member, by=caller_of(context)), removed=[member])

    @action("name", body=OfDao, reply="`name`")
    def name(self, body: OfDao, context: Context) -> Effects:
        """Return the name of a group."""
        return Effects({"name": self._dao(body.dao)[1].name})

    @action("daoURI", body=OfDao, reply="`daoURI`")
    def dao_uri(self, body: OfDao, context: Context) -> Effects:
        """Return the URI of a group's avatar."""
        return Effects({"daoURI": self._dao(body.dao)[1].uri})

    @action("setDaoURI", body=DaoUri, callers=ADMINISTRATOR, reply="`status`")
    def set_dao_uri(self, body: DaoUri, context: Context) -> Effects:
        """Set the URI of a group's avatar."""
        return self._keep(*self._administered(body.dao, context), uri=body.uri)

    @action("members", body=OfDao, reply="list of addresses")
    def members(self, body: OfDao, context: Context) -> Effects:
        """List the members of a group in the order of joining."""
        return Effects(_by_token(self._dao(body.dao)[1].members))

    @action("balanceOf", body=BalanceOf, reply="`balance`")
    def balance_of(self, body: BalanceOf, context: Context) -> Effects:
        """Return the number of a group's tokens that an address holds: 1 or 0."""
        return Effects({"balance": int(address_of(body.addr) in self._dao(body.dao)[1].members)})

    def _messages(self) -> int:
        """Number of messages. A subclass defines it."""
        raise NotImplementedError

    def _named(self, address: str) -> str:
        """Return the address, or refuse it if it has no name."""
        if not self.state.names.count_of(address):
            raise Refusal(f"{address} has no name: register one first")
        return address

    def _dao(self, text: str) -> tuple[str, Dao]:
        address = address_of(text)
        dao = self.state.daos.get(address)
        if dao is None:
            raise Refusal(f"there is no group {address}")
        return address, dao

    def _administered(self, text: str, context: Context) -> tuple[str, Dao]:
        address, dao = self._dao(text)
        if caller_of(context) != dao.owner:
            raise Refusal("only the administrator of this group can do that")
        return address, dao

    def _keep(self, address: str, dao: Dao, **changes: Any) -> Effects:
        self._replace(daos=self.state.daos.set(address, msgspec.structs.replace(dao, **changes)))
        return Effects(succeed())

    def _keep_members(
        self, address: str, dao: Dao, *, added: Sequence[str] = (), removed: Sequence[str] = ()
    ) -> Effects:
        groups = self.state.groups
        for member in added:
            groups = groups.set(member, groups.get(member, Map[str, int]()).set(address, self._messages()))
        for member in removed:
            groups = groups.set(member, groups[member].delete(address))
        self._replace(groups=groups)
        return self._keep(address, dao)


def caller_of(context: Context) -> str:
    """The Ethereum address that signed the message.

    Raises:
        Refusal: the sender is not an Ethereum account.
    """
    try:
        return checksummed(context.sender)
    except ValueError:
        raise Refusal("only an Ethereum account can do that") from None


def address_of(text: str) -> str:
    """An Ethereum address with its EIP-55 checksum.

    Raises:
        Refusal: the text is not an Ethereum address.
    """
    try:
        return checksummed(text)
    except ValueError as error:
        raise Refusal(str(error)) from None


def _same(owner: str, caller: str) -> str:
    if address_of(owner) != caller:
        raise Refusal("only the owner itself can do that")
    return caller


def _by_token(holders: Map[str, int]) -> list[str]:
    return sorted(holders, key=holders.__getitem__)


METHODS = frozenset(Contracts.handlers) - {REPLY}
"""Names of the contracts' methods: the actions of the registers."""
