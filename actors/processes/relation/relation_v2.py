"""Version 2 of Relation ONE's contracts and messages: limits of answers, and of what one account adds."""

from typing import Any

from actors.crypto.secp256k1 import checksummed
from actors.processes.base import action
from actors.processes.collections.map import Map
from actors.processes.limits import ANSWER_BYTES_MAX, CONTENT_BYTES_MAX, Limit, Offset, json_bytes, rows_of
from actors.processes.relation.contract_bodies import AddMembers, Address, DeployDao, OfDao, Register
from actors.processes.relation.contracts import ADMINISTRATOR, NAMED, OWNER, address_of, caller_of
from actors.processes.relation.message import RelationMessage
from actors.processes.relation.relation import (
    MESSAGE_ROWS,
    GetChats,
    ListMessages,
    MessagesAfter,
    Relation,
    RelationState,
)
from actors.protocol.messages import Context, Effects, Refusal

NAMES_MAX = 100
FOLLOWS_MAX = 10_000
DEPLOYED_MAX = 1000
GROUPS_MAX = 1000
STRANGERS_MAX = 1000
ROW_BYTES = 128
"""Most bytes of a row of messages besides the message."""


class RelationStateV2(RelationState, frozen=True):
    """The contracts' state and the messages. As a directory it has limits for each account, and none in bytes."""

    deployed: Map[str, int] = Map()
    """Address to the number of groups that it created."""
    unanswered: Map[str, Map[str, bool]] = Map()
    """Address to the senders of its private messages that it never wrote to."""


class AddressPage(Address):
    """An address, and which rows to return."""

    offset: Offset = 0
    limit: Limit | None = None


class DaoPage(OfDao):
    """Address of a group, and which rows to return."""

    offset: Offset = 0
    limit: Limit | None = None


class ChatsPage(GetChats):
    """A person, for each chat address the place up to which it was read, and which rows to return."""

    offset: Offset = 0
    limit: Limit | None = None


class RelationV2(Relation):
    """An account has at most 100 names, follows 10,000 accounts, creates 1,000 groups, is
    in 1,000 groups, and gets private messages of 1,000 accounts that it never wrote to. Its start data is ignored.
    """

    __slots__ = ()

    module = "mostao.relation@2"
    is_limited = True
    state: RelationStateV2

    def __init__(self, data: bytes, context: Context) -> None:
        """Start empty. The data is ignored."""
        self.state = RelationStateV2()

    @action("register", body=Register, callers=OWNER, reply="`status`, `tokenId`")
    def register(self, body: Register, context: Context) -> Effects:
        """Register a name for an Ethereum account. The name is a token of its own."""
        if self.state.names.count_of(caller_of(context)) >= NAMES_MAX:
            raise Refusal(f"an account has at most {NAMES_MAX} names")
        return super().register(body, context)

    @action("follow", body=Address, callers=NAMED, reply="`status`, `tokenId`")
    def follow(self, body: Address, context: Context) -> Effects:
        """Follow an address."""
        if len(self.state.followed.get(caller_of(context), ())) >= FOLLOWS_MAX:
            raise Refusal(f"an account follows at most {FOLLOWS_MAX} others: unfollow one first")
        return super().follow(body, context)

    @action("followers", body=AddressPage, reply="list of addresses")
    def followers(self, body: Any, context: Context) -> Effects:
        """List the followers of an address: all of them, or a page."""
        return _cut(super().followers(body, context), body)

    @action("following", body=AddressPage, reply="list of addresses")
    def following(self, body: Any, context: Context) -> Effects:
        """List the addresses that an address follows, its friend list: all of it, or a page."""
        return _cut(super().following(body, context), body)

    @action("members", body=DaoPage, reply="list of addresses")
    def members(self, body: Any, context: Context) -> Effects:
        """List the members of a group in the order of joining: all of them, or a page."""
        return _cut(super().members(body, context), body)

    @action(
        "deployDaoContract",
        body=DeployDao,
        callers=f"{OWNER}, with a name",
        reply="`status`, `dao` (address of the group)",
    )
    def deploy_dao_contract(self, body: DeployDao, context: Context) -> Effects:
        """Create a group. Its owner is the administrator and the first member."""
        caller = caller_of(context)
        deployed = self.state.deployed.get(caller, 0) + 1
        if deployed > DEPLOYED_MAX:
            raise Refusal(f"an account creates at most {DEPLOYED_MAX} groups")
        self._check_groups([caller])
        effects = super().deploy_dao_contract(body, context)
        self._replace(deployed=self.state.deployed.set(caller, deployed))
        return effects

    @action("join", body=OfDao, callers=NAMED, reply="`status`")
    def join(self, body: OfDao, context: Context) -> Effects:
        """Join a group that is free to join."""
        self._check_groups([caller_of(context)])
        return super().join(body, context)

    @action("addMember", body=AddMembers, callers=ADMINISTRATOR, reply="`status`")
    def add_member(self, body: AddMembers, context: Context) -> Effects:
        """Add accounts with a name to a group."""
        self._check_groups([address_of(address) for address in body.addr])
        return super().add_member(body, context)

    @action(
        "sendMessage",
        body=RelationMessage,
        callers="anyone; the message itself proves its sender",
        reply="`status`, `id`",
    )
    def send_message(self, body: RelationMessage, context: Context) -> Effects:
        """Add a message. A message that was added before changes nothing."""
        if json_bytes(body) > CONTENT_BYTES_MAX:
            raise Refusal(f"a message has at most {CONTENT_BYTES_MAX} bytes as JSON")
        before = self.state.mail
        effects = super().send_message(body, context)
        if len(self.state.mail.posted) > len(before.posted):
            sender, receiver = checksummed(body.sender), checksummed(body.receiver)
            if receiver not in self.state.daos:
                self._count_stranger(sender, receiver, is_first=receiver not in before.partners.get(sender, Map()))
        return effects

    @action("listMessages", body=ListMessages, reply=MESSAGE_ROWS)
    def list_messages(self, body: ListMessages, context: Context) -> Effects:
        """List the messages of a group, or of a person and the person's groups, newest first.

        A page may end before its limit. The next one begins at ``offset`` plus the number of rows.
        """
        return super().list_messages(body, context)

    @action("messagesAfter", body=MessagesAfter, reply=MESSAGE_ROWS)
    def messages_after(self, body: MessagesAfter, context: Context) -> Effects:
        """List the messages after a place, oldest first: of an address, or of all.

        A page may end before its limit. The next one begins ``after`` the place of the last row.
        """
        return super().messages_after(body, context)

    @action(
        "getChats",
        body=ChatsPage,
        reply="list of `id`, `name`, `avatar`, `channelType`, `unreadMessageCount`, `place` (of the newest message, or"
        " -1)",
    )
    def get_chats(self, body: Any, context: Context) -> Effects:
        """List a person's conversations with their unread counts, newest first: all of them, or a page."""
        return _cut(super().get_chats(body, context), body)

    def _page(self, places: list[int], context: Context) -> list[dict[str, Any]]:
        """The rows of the first messages, as many as an answer holds."""
        posted, room = self.state.mail.posted, ANSWER_BYTES_MAX
        for count, place in enumerate(places):
            room -= ROW_BYTES + posted[place].bytes_until - (posted[place - 1].bytes_until if place else 0)
            if room < 0:
                return self._rows(places[:count], context)
        return self._rows(places, context)

    def _check_groups(self, addresses: list[str]) -> None:
        for address in addresses:
            if len(self._groups(address)) >= GROUPS_MAX:
                raise Refusal(f"{address} is in {GROUPS_MAX} groups, which is the most: leave one first")

    def _count_stranger(self, sender: str, receiver: str, *, is_first: bool) -> None:
        """Count a private message: the sender answers the receiver, or is a stranger to it."""
        unanswered = self.state.unanswered
        if receiver in unanswered.get(sender, ()):
            unanswered = unanswered.set(sender, unanswered[sender].delete(receiver))
        elif is_first and sender != receiver:
            strangers = unanswered.get(receiver, Map[str, bool]()).set(sender, True)
            if len(strangers) > STRANGERS_MAX:
                raise Refusal(f"{receiver} has messages of {STRANGERS_MAX} accounts that it never answered: the most")
            unanswered = unanswered.set(receiver, strangers)
        else:
            return
        self._replace(unanswered=unanswered)


def _cut(effects: Effects, body: AddressPage | DaoPage | ChatsPage) -> Effects:
    return Effects(rows_of(effects.reply, body.offset, body.limit))
