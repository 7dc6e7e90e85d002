"""Relation ONE's registers and messages: names, follows, groups, and what people send one another."""

from typing import Annotated, Any

import msgspec
from eth_utils.crypto import keccak
from immutables import Map
from msgspec import Meta

from actors.ethereum import checksummed
from actors.jsontext import decode
from actors.messages import REPLY, Context, Effects, Refusal
from actors.processes.base import Process, action, succeed
from actors.processes.body import Body, NoBody, Text
from actors.processes.daos import Dao
from actors.processes.history import History
from actors.processes.names import Directory
from actors.processes.relation_message import ANNOUNCEMENT, HIDE, P2P, QUOTE, RelationMessage, check_message

URI_CHARACTERS_MAX = 2048
NAME_CHARACTERS_MAX = 64
ADDED_AT_ONCE_MAX = 500
PAGE_DEFAULT, PAGE_MAX = 100, 500

_Uri = Annotated[
    str, Meta(max_length=URI_CHARACTERS_MAX, description=f"a text of at most {URI_CHARACTERS_MAX} characters")
]
_Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, description=f"a text of 1 to {NAME_CHARACTERS_MAX} characters"),
]
_Limit = Annotated[int, Meta(ge=0, le=PAGE_MAX, description=f"a whole number from 0 to {PAGE_MAX}")]
_Offset = Annotated[int, Meta(ge=0, le=2**53, description="a whole number from 0")]


class RelationState(msgspec.Struct, frozen=True):
    """What the registers know. Addresses are as EIP-55 writes them."""

    names: Directory = Directory()
    """A name is a token that cannot be passed on; who has one may write private messages."""
    reverse: Map[str, str] = Map()
    """Address to the name that it goes by."""
    profiles: Map[str, str] = Map()
    """Address to where its avatar is."""
    follows: Map[str, Map[str, int]] = Map()
    """Address to those who follow it, each with the number of its token."""
    daos: Map[str, Dao] = Map()
    slots: History[int] = History()
    """Where each message is in this process's log, which keeps it once."""
    places: Map[str, int] = Map()
    """Id of a message to its place among them."""
    boxes: Map[str, History[int]] = Map()
    """Address of a person or a group to the places of the messages from and to it."""
    hidden: Map[str, str] = Map()
    """Id of a message to that of the one that hides it."""


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
    name: _Name


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


class ListMessages(Body):
    """Whose, and which part of them, newest first."""

    addr: Text
    limit: _Limit = PAGE_DEFAULT
    offset: _Offset = 0


class GetMessage(Body):
    """Which."""

    id: Text


class Relation(Process):
    """Module ``mostao.relation@1`` (relation-one-im.md 2, 5, 7). Actions have the names of the contracts' methods."""

    module = "mostao.relation@1"
    state: RelationState

    def __init__(self, data: bytes, context: Context) -> None:
        self.state = RelationState()

    @action("register", body=Register)
    def register(self, body: Register, context: Context) -> Effects:
        """``{"owner", "name", "reverseRecord"}`` from the owner: the name is a token of its own."""
        owner = _same(body.owner, _caller(context))
        names = self.state.names.register(body.name, pid=owner, owner=owner)
        self._replace(names=names)
        if body.reverseRecord or owner not in self.state.reverse:
            self._replace(reverse=self.state.reverse.set(owner, body.name.strip()))
        return Effects(succeed(tokenId=names.registrations))

    @action("setProfileURI", body=Uri)
    def set_profile_uri(self, body: Uri, context: Context) -> Effects:
        """``{"profileURI"}`` from whoever has a name."""
        caller = self._named(_caller(context))
        self._replace(profiles=self.state.profiles.set(caller, body.profileURI))
        return Effects(succeed())

    @action("nameOf", body=Address)
    def name_of(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: the name that it goes by; empty without one."""
        return Effects({"name": self.state.reverse.get(_address(body.addr), "")})

    @action("profileURI", body=Address)
    def profile_uri(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: where its avatar is; empty if it did not say."""
        return Effects({"profileURI": self.state.profiles.get(_address(body.addr), "")})

    @action("follow", body=Address)
    def follow(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: the sender follows it."""
        caller, followed = self._named(_caller(context)), self._named(_address(body.addr))
        if caller == followed:
            raise Refusal("nobody follows himself")
        followers = self.state.follows.get(followed, Map())
        if caller in followers:
            raise Refusal(f"{caller} follows {followed} already")
        followers = followers.set(caller, max(followers.values(), default=0) + 1)
        self._replace(follows=self.state.follows.set(followed, followers))
        return Effects(succeed(tokenId=followers[caller]))

    @action("unfollow", body=Address)
    def unfollow(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: the sender does not follow it any more."""
        caller, followed = _caller(context), _address(body.addr)
        followers = self.state.follows.get(followed, Map())
        if caller not in followers:
            raise Refusal(f"{caller} does not follow {followed}")
        self._replace(follows=self.state.follows.set(followed, followers.delete(caller)))
        return Effects(succeed())

    @action("followers", body=Address)
    def followers(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: who follows it."""
        return Effects(_by_token(self.state.follows.get(_address(body.addr), Map())))

    @action("following", body=Address)
    def following(self, body: Address, context: Context) -> Effects:
        """``{"addr"}``: whom it follows: its friend list."""
        address = _address(body.addr)
        return Effects(sorted(followed for followed, by in self.state.follows.items() if address in by))

    @action("deployDaoContract", body=DeployDao)
    def deploy_dao_contract(self, body: DeployDao, context: Context) -> Effects:
        """``{"owner", "name"}`` from the owner, who is its administrator and first member."""
        owner = self._named(_same(body.owner, _caller(context)))
        address = checksummed("0x" + keccak(text=f"mostao.dao {context.process} {context.message_id}")[-20:].hex())
        self._replace(daos=self.state.daos.set(address, Dao(body.name, owner).with_members(owner)))
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
        return self._keep(address, dao.with_members(self._named(_caller(context))))

    @action("addMember", body=AddMembers)
    def add_member(self, body: AddMembers, context: Context) -> Effects:
        """``{"dao", "addr"}`` from the administrator."""
        address, dao = self._administered(body.dao, context)
        return self._keep(address, dao.with_members(*(self._named(_address(one)) for one in body.addr)))

    @action("remove", body=RemoveMember)
    def remove(self, body: RemoveMember, context: Context) -> Effects:
        """``{"dao", "addr"}`` from that member, or from the administrator."""
        address, dao = self._dao(body.dao)
        return self._keep(address, dao.without(_address(body.addr), by=_caller(context)))

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

    @action("sendMessage", body=RelationMessage)
    def send_message(self, body: RelationMessage, context: Context) -> Effects:
        """A message, from whoever brings it: it proves itself who sent it. The same one again changes nothing."""
        check_message(body, now=context.timestamp)
        if body.id in self.state.places:
            return Effects(succeed(id=body.id))
        sender, receiver = self._named(checksummed(body.sender)), checksummed(body.receiver)
        if body.kind in (P2P, HIDE) and receiver not in self.state.daos:
            receiver = self._named(receiver)
        elif body.kind == P2P:
            raise Refusal("a group is written to with another kind of message")
        else:
            self._check_member(receiver, sender, body.kind)
        for quoted in body.tagged(QUOTE):
            if quoted not in self.state.places:
                raise Refusal(f"there is no message {quoted} to quote")
        if body.kind == HIDE:
            self._hide(body, sender, context)
        place = len(self.state.slots)
        boxes = self.state.boxes
        for box in dict.fromkeys((sender, receiver)):
            boxes = boxes.set(box, boxes.get(box, History[int]()).append(place))
        self._replace(
            slots=self.state.slots.append(context.slot), places=self.state.places.set(body.id, place), boxes=boxes
        )
        return Effects(succeed(id=body.id))

    @action("listMessages", body=ListMessages)
    def list_messages(self, body: ListMessages, context: Context) -> Effects:
        """``{"addr", "limit", "offset"}``: the messages from and to a person, or to a group, newest first."""
        box = self.state.boxes.get(_address(body.addr), History[int]())
        stop = max(len(box) - body.offset, 0)
        places = [box[place] for place in range(stop - 1, max(stop - body.limit, 0) - 1, -1)]
        return Effects(self._rows(places, context))

    @action("getMessage", body=GetMessage)
    def get_message(self, body: GetMessage, context: Context) -> Effects:
        """``{"id"}``: that message in a list; empty where there is none."""
        place = self.state.places.get(body.id)
        return Effects([] if place is None else self._rows([place], context))

    @action(REPLY)
    def ignore_reply(self, body: NoBody, context: Context) -> Effects:
        """Nothing is ever asked from here."""
        return Effects(None)

    def _rows(self, places: list[int], context: Context) -> list[dict[str, Any]]:
        said = [decode(data) for data in context.received([self.state.slots[place] for place in places])]
        return [{**message, "hidden": message["id"] in self.state.hidden} for message in said]

    def _hide(self, body: RelationMessage, sender: str, context: Context) -> None:
        """Take note of messages that their sender wants hidden."""
        quoted = body.tagged(QUOTE)
        if not quoted:
            raise Refusal(f"a message that hides another names it in a tag {QUOTE!r}")
        for row in self._rows([self.state.places[one] for one in quoted], context):
            if checksummed(row["sender"]) != sender:
                raise Refusal("only its sender hides a message")
        self._replace(hidden=self.state.hidden.update(dict.fromkeys(quoted, body.id)))

    def _check_member(self, receiver: str, sender: str, kind: int) -> None:
        dao = self._dao(receiver)[1]
        if sender not in dao.members:
            raise Refusal("only a member writes to a group")
        if kind == ANNOUNCEMENT and sender != dao.owner:
            raise Refusal("only the administrator announces something")

    def _named(self, address: str) -> str:
        """An address that has a name."""
        if not self.state.names.of_owner(address):
            raise Refusal(f"{address} has no name: register one first")
        return address

    def _dao(self, text: str) -> tuple[str, Dao]:
        address = _address(text)
        dao = self.state.daos.get(address)
        if dao is None:
            raise Refusal(f"there is no group {address}")
        return address, dao

    def _administered(self, text: str, context: Context) -> tuple[str, Dao]:
        address, dao = self._dao(text)
        if _caller(context) != dao.owner:
            raise Refusal("only the administrator of this group can do that")
        return address, dao

    def _keep(self, address: str, dao: Dao, **changes: Any) -> Effects:
        self._replace(daos=self.state.daos.set(address, msgspec.structs.replace(dao, **changes)))
        return Effects(succeed())

    def _replace(self, **changes: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)


def _caller(context: Context) -> str:
    """The Ethereum address that signed the message."""
    try:
        return checksummed(context.sender)
    except ValueError:
        raise Refusal("only an Ethereum account can do that") from None


def _address(text: str) -> str:
    try:
        return checksummed(text)
    except ValueError as error:
        raise Refusal(str(error)) from None


def _same(owner: str, caller: str) -> str:
    if _address(owner) != caller:
        raise Refusal("only the owner itself can do that")
    return caller


def _by_token(holders: Map[str, int]) -> list[str]:
    return sorted(holders, key=holders.__getitem__)
