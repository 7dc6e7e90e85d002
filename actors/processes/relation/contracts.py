"""Relation ONE's contracts as actions of one process: the name service, the follow register and the DAO register."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from immutables import Map
from msgspec import Meta

from actors.crypto.secp256k1 import checksummed, keccak
from actors.processes.base import Process, action, succeed
from actors.processes.messaging.name_directory import Directory
from actors.processes.relation.dao import Dao
from actors.processes.request_body import Body, Text, Title
from actors.protocol.messages import REPLY, Context, Effects, Refusal

URI_CHARACTERS_MAX = 2048
ADDED_AT_ONCE_MAX = 500

_Uri = Annotated[
    str, Meta(max_length=URI_CHARACTERS_MAX, description=f"a text of at most {URI_CHARACTERS_MAX} characters")
]


class ContractsState(msgspec.Struct, frozen=True, gc=False):
    """What the registers know. Addresses are as EIP-55 writes them."""

    names: Directory = Directory()
    """A name is a token that cannot be passed on; who has one may write private messages."""
    reverse: Map[str, str] = Map()
    """Address to the name that it goes by."""
    profiles: Map[str, str] = Map()
    """Address to where its avatar is."""
    follows: Map[str, Map[str, int]] = Map()
    """Address to those who follow it, each with the number of its token."""
    followed: Map[str, Map[str, int]] = Map()
    """The same the other way round."""
    daos: Map[str, Dao] = Map()
    groups: Map[str, Map[str, int]] = Map()
    """Address to the groups that it is a member of, each with the number of messages that there were when it came."""


class Register(Body):
    """A name, and whether its owner goes by it."""

    owner: Text
    name: Text
    reverseRecord: bool = False


class Uri(Body):
    """Where an avatar is."""

    profileURI: _Uri


class Address(Body):
    """Whose."""

    addr: Text


class DeployDao(Body):
    """A group."""

    owner: Text
    name: Title


class OfDao(Body):
    """Which group."""

    dao: Text


class FreeJoin(OfDao):
    """Whether anybody may join."""

    free: bool


class DaoUri(OfDao):
    """Where its avatar is."""

    uri: _Uri


class AddMembers(OfDao):
    """Who is to belong to it."""

    addr: Annotated[
        list[Text],
        Meta(min_length=1, max_length=ADDED_AT_ONCE_MAX, description=f"a list of 1 to {ADDED_AT_ONCE_MAX} addresses"),
    ]


class RemoveMember(OfDao):
    """Who is not to belong to it any more."""

    addr: Text


class BalanceOf(OfDao):
    """Whose tokens of a group."""

    addr: Text


class Contracts(Process):
    """The registers (relation-one-im.md 2.1, 5). Actions have the names of the contracts' methods."""

    __slots__ = ()

    state: ContractsState

    @action("register", body=Register)
    def register(self, body: Register, context: Context) -> Effects:
        """``{"owner", "name", "reverseRecord"}`` from the owner: the name is a token of its own."""
        owner = _same(body.owner, caller_of(context))
        names = self.state.names.register(body.name, pid=owner, owner=owner)
        self._replace(names=names)
        if body.reverseRecord or owner not in self.state.reverse:
            self._replace(reverse=self.state.reverse.set(owner, body.name.strip()))
        return Effects(succeed(tokenId=names.registrations))

    @action("setProfileURI", body=Uri)
    def set_profile_uri(self, body: Uri, context: Context) -> Effects:
        """``{"profileURI"}`` from whoever has a name."""
        caller = self._named(caller_of(context))
        self._replace(profiles=self.state.profiles.set(caller, body.profileURI))
        return Effects(succeed())

    @action("nameOf", body=Address)
    def name_of(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: the name that it goes by; empty without one."""
        return Effects({"name": self.state.reverse.get(address_of(body.addr), "")})

    @action("profileURI", body=Address)
    def profile_uri(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: where its avatar is; empty if it did not say."""
        return Effects({"profileURI": self.state.profiles.get(address_of(body.addr), "")})

    @action("follow", body=Address)
    def follow(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: the sender follows it."""
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

    @action("unfollow", body=Address)
    def unfollow(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: the sender does not follow it any more."""
        caller, followed = caller_of(context), address_of(body.addr)
        followers = self.state.follows.get(followed, Map())
        if caller not in followers:
            raise Refusal(f"{caller} does not follow {followed}")
        self._replace(
            follows=self.state.follows.set(followed, followers.delete(caller)),
            followed=self.state.followed.set(caller, self.state.followed[caller].delete(followed)),
        )
        return Effects(succeed())

    @action("followers", body=Address)
    def followers(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: who follows it."""
        return Effects(_by_token(self.state.follows.get(address_of(body.addr), Map())))

    @action("following", body=Address)
    def following(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: whom it follows: its friend list."""
        return Effects(_by_token(self.state.followed.get(address_of(body.addr), Map())))

    @action("deployDaoContract", body=DeployDao)
    def deploy_dao_contract(self, body: DeployDao, context: Context) -> Effects:
        """``{"owner", "name"}`` from the owner, who is its administrator and first member."""
        owner = self._named(_same(body.owner, caller_of(context)))
        address = checksummed("0x" + keccak(f"mostao.dao {context.process} {context.message_id}".encode())[-20:].hex())
        self._keep_members(address, Dao(body.name, owner).with_members(owner), came=[owner])
        return Effects(succeed(dao=address))

    @action("isFreeJoin", body=OfDao)
    def is_free_join(self, body: OfDao, context: Context) -> Effects:
        """``{"dao"}``: whether anybody may join."""
        return Effects({"isFreeJoin": self._dao(body.dao)[1].free})

    @action("setFreeJoin", body=FreeJoin)
    def set_free_join(self, body: FreeJoin, context: Context) -> Effects:
        """``{"dao", "free"}`` from the administrator."""
        return self._keep(*self._administered(body.dao, context), free=body.free)

    @action("join", body=OfDao)
    def join(self, body: OfDao, context: Context) -> Effects:
        """``{"dao"}``: the sender becomes a member, if anybody may."""
        address, dao = self._dao(body.dao)
        if not dao.free:
            raise Refusal("this group is not free to join: its administrator adds its members")
        caller = self._named(caller_of(context))
        return self._keep_members(address, dao.with_members(caller), came=[caller])

    @action("addMember", body=AddMembers)
    def add_member(self, body: AddMembers, context: Context) -> Effects:
        """``{"dao", "addr"}`` from the administrator."""
        address, dao = self._administered(body.dao, context)
        came = [self._named(address_of(one)) for one in body.addr]
        return self._keep_members(address, dao.with_members(*came), came=came)

    @action("remove", body=RemoveMember)
    def remove(self, body: RemoveMember, context: Context) -> Effects:
        """``{"dao", "addr"}`` from that member, or from the administrator."""
        address, dao = self._dao(body.dao)
        gone = address_of(body.addr)
        return self._keep_members(address, dao.without(gone, by=caller_of(context)), gone=[gone])

    @action("name", body=OfDao)
    def name(self, body: OfDao, context: Context) -> Effects:
        """``{"dao"}``: what it is called."""
        return Effects({"name": self._dao(body.dao)[1].name})

    @action("daoURI", body=OfDao)
    def dao_uri(self, body: OfDao, context: Context) -> Effects:
        """``{"dao"}``: where its avatar is."""
        return Effects({"daoURI": self._dao(body.dao)[1].uri})

    @action("setDaoURI", body=DaoUri)
    def set_dao_uri(self, body: DaoUri, context: Context) -> Effects:
        """``{"dao", "uri"}`` from the administrator."""
        return self._keep(*self._administered(body.dao, context), uri=body.uri)

    @action("members", body=OfDao)
    def members(self, body: OfDao, context: Context) -> Effects:
        """``{"dao"}``: who holds its token, in the order in which they came."""
        return Effects(_by_token(self._dao(body.dao)[1].members))

    @action("balanceOf", body=BalanceOf)
    def balance_of(self, body: BalanceOf, context: Context) -> Effects:
        """``{"dao", "addr"}``: how many of its tokens that address holds: 1 or 0."""
        return Effects({"balance": int(address_of(body.addr) in self._dao(body.dao)[1].members)})

    def _messages(self) -> int:
        """How many messages there are."""
        raise NotImplementedError

    def _named(self, address: str) -> str:
        """An address that has a name."""
        if not self.state.names.of_owner(address):
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

    def _keep_members(self, address: str, dao: Dao, *, came: Sequence[str] = (), gone: Sequence[str] = ()) -> Effects:
        groups = self.state.groups
        for member in came:
            groups = groups.set(member, groups.get(member, Map[str, int]()).set(address, self._messages()))
        for member in gone:
            groups = groups.set(member, groups[member].delete(address))
        self._replace(groups=groups)
        return self._keep(address, dao)


def caller_of(context: Context) -> str:
    """The Ethereum address that signed the message.

    Raises:
        Refusal: another kind of key did.
    """
    try:
        return checksummed(context.sender)
    except ValueError:
        raise Refusal("only an Ethereum account can do that") from None


def address_of(text: str) -> str:
    """An address as EIP-55 writes it.

    Raises:
        Refusal: it is none.
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
"""What the contracts are called for."""
