"""Groups by contract: who belongs to one is who holds its token (relation-one-im.md 5.2)."""

import msgspec
from immutables import Map

from actors.protocol.messages import Refusal

MEMBERS_MAX = 10_000


class Dao(msgspec.Struct, frozen=True, gc=False):
    """One group."""

    name: str
    owner: str
    """Its administrator's address."""
    uri: str = ""
    """Where its avatar is."""
    free: bool = False
    """Whether anybody may join."""
    members: Map[str, int] = Map()
    """Address to the number of its token."""
    tokens: int = 0
    """How many were ever given out."""

    def with_members(self, *addresses: str) -> "Dao":
        """With a token for each.

        Raises:
            Refusal: one has one already, or there are too many.
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
        """Without a member, who goes or whom the administrator takes out.

        Raises:
            Refusal: it is none, or somebody else wants it, or it is the administrator.
        """
        if address not in self.members:
            raise Refusal(f"{address} is no member")
        if by not in (address, self.owner):
            raise Refusal("only a member itself, or the administrator, can do that")
        if address == self.owner:
            raise Refusal("the administrator stays")
        return msgspec.structs.replace(self, members=self.members.delete(address))
