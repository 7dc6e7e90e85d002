"""Version 2 of the key keeper: an address has a limited number of keys, and decisions are kept for a limited time."""

from actors.processes.base import action
from actors.processes.collections.map import Map
from actors.processes.relation.access_conditions import conditions_of, daos_of
from actors.processes.relation.contracts import address_of
from actors.processes.relation.key_keeper import (
    GetEncryptionKey,
    KeyKeeper,
    KeyKeeperState,
    PendingRequest,
    SaveEncryptionKey,
)
from actors.protocol.messages import Context, Effects, Refusal

KEYS_MAX = 10_000
GROUPS_MAX = 32
GRANTS_MAX = 1024


class KeyKeeperStateV2(KeyKeeperState, frozen=True):
    """State of a key keeper. As a directory it has a limit of keys for each address, and none in bytes."""

    kept: Map[str, int] = Map()
    """Address to the number of keys that it saved."""
    decided: Map[int, str] = Map()
    """Number of each decision that is kept, to the id of its request."""
    decisions: int = 0
    """Number of all decisions."""


class KeyKeeperV2(KeyKeeper):
    """An address saves at most 10,000 keys, a request's conditions name at most 32 groups, and the newest 1,024
    decisions are kept.
    """

    __slots__ = ()

    module = "mostao.keykeeper@2"
    is_limited = True
    state: KeyKeeperStateV2

    def __init__(self, data: bytes, context: Context) -> None:
        """Start from a ``Start`` body."""
        super().__init__(data, context)
        self.state = KeyKeeperStateV2(self.state.relation, self.state.public_key)

    @action(
        "saveEncryptionKey",
        body=SaveEncryptionKey,
        callers="anyone; `authSig` proves an address",
        reply="`status`, `encryptedSymmetricKey`",
    )
    def save_encryption_key(self, body: SaveEncryptionKey, context: Context) -> Effects:
        """Save a sealed key under its conditions. The conditions of a saved key cannot change."""
        before = len(self.state.saved)
        effects = super().save_encryption_key(body, context)
        if len(self.state.saved) > before:
            address = address_of(body.authSig.address)
            kept = self.state.kept.get(address, 0) + 1
            if kept > KEYS_MAX:
                raise Refusal(f"an address saves at most {KEYS_MAX} keys")
            self._replace(kept=self.state.kept.set(address, kept))
        return effects

    @action(
        "getEncryptionKey",
        body=GetEncryptionKey,
        callers="anyone but a process; `authSig` proves an address",
        reply="`status`, `address`; `given`, or `asked` (number of balances requested) if the conditions name groups",
    )
    def get_encryption_key(self, body: GetEncryptionKey, context: Context) -> Effects:
        """Decide whether an address gets a key. The decision is the reply of getGrant.

        If the conditions name groups, the process first sends balanceOf to the registers for each group.
        """
        if len(daos_of(conditions_of(body.accessControlConditions))) > GROUPS_MAX:
            raise Refusal(f"accessControlConditions name at most {GROUPS_MAX} groups")
        return super().get_encryption_key(body, context)

    def _decide(self, pending: PendingRequest) -> None:
        super()._decide(pending)
        state = self.state
        decided, grants = state.decided.set(state.decisions, pending.request), state.grants
        oldest = state.decisions - GRANTS_MAX
        if oldest in decided:
            grants, decided = grants.delete(decided[oldest]), decided.delete(oldest)
        self._replace(decided=decided, grants=grants, decisions=state.decisions + 1)
