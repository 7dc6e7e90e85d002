"""Groups by contract: the members of a group hold its token (relation-one-im.md 5.2)."""

import msgspec

from actors.processes.collections.map import Map
from actors.protocol.messages import Refusal

MEMBERS_MAX = 10_000


class Dao(msgspec.Struct, frozen=True, gc=False):
    """An immutable group. Changes return a new group."""

    name: str
    owner: str
    """Address of the administrator."""
    uri: str = ""
    """URI of the avatar."""
    free: bool = False
    """Whether any named account may join."""
    members: Map[str, int] = Map()
    """Address of a member to the number of its token."""
    tokens: int = 0
    """Number of tokens ever issued."""

    def with_members(self, *addresses: str) -> "Dao":
        """Add members, each with a new token.

        Raises:
            Refusal: an address is a member already, or the group is full.
        """
        members, tokens = self.members, self.tokens
        for address in addresses:
            if address in members:
                raise Refusal(f"{address} is a member already")
            tokens += 1
            members = members.set(address, tokens)
        if len(members) > MEMBERS_MAX:
            raise Refusal(f"a group has at most {MEMBERS_MAX} members")
        return msgspec.structs.replace(self, members=members, tokens=tokens)

    def without(self, address: str, *, by: str) -> "Dao":
        """Remove a member, by itself or by the administrator.

        Raises:
            Refusal: the address is not a member, or is the administrator, or ``by`` may not remove it.
        """
        if address not in self.members:
            raise Refusal(f"{address} is no member")
        if by not in (address, self.owner):
            raise Refusal("only a member itself, or the administrator, can do that")
        if address == self.owner:
            raise Refusal("the administrator stays")
        return msgspec.structs.replace(self, members=self.members.delete(address))
