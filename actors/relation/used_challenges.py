"""The challenges of logins that were used, until they expire."""

import heapq
from collections import Counter


class TooManyLogins(Exception):
    """An account or an address logs in too often, with the limit. It may try again after ``retry_s`` seconds."""

    def __init__(self, text: str, retry_s: int = 300) -> None:
        super().__init__(text)
        self.retry_s = retry_s


class LoginsFull(TooManyLogins):
    """A proxy has as many logins as it can keep, with the limit."""


class UsedChallenges:
    """Remembers each used challenge until it expires, so that no challenge is valid twice.

    Nothing is forgotten to make room: where the limits are reached, further logins are refused.

    Args:
        account_max: limit of used challenges of one account.
        total_max: limit of used challenges of all accounts.
    """

    def __init__(self, *, account_max: int, total_max: int) -> None:
        self._account_max, self._total_max = account_max, total_max
        self._nonces: set[str] = set()
        self._expiries: list[tuple[int, str, str]] = []
        self._counts: Counter[str] = Counter()
        self._forgotten_until = 0

    def is_used(self, nonce: str, expires: int) -> bool:
        """Whether a challenge was used. A challenge that expired counts as used, also if the clock goes back later."""
        return nonce in self._nonces or expires <= self._forgotten_until

    def check_room(self, address: str, now: int) -> None:
        """Check that a challenge of an account can be remembered.

        Raises:
            TooManyLogins: the account has used as many challenges as one account may.
            LoginsFull: all accounts together have.
        """
        self._forget_expired(now)
        if self._counts[address] >= self._account_max:
            raise TooManyLogins(
                f"{address} has logged in {self._account_max:,} times within a few minutes, which is the limit of an"
                " account: use the tokens of these logins, or try again in five minutes"
            )
        if len(self._nonces) >= self._total_max:
            raise LoginsFull(
                f"{self._total_max:,} logins within a few minutes are the limit of this proxy: try again in five"
                " minutes"
            )

    def add(self, nonce: str, address: str, expires: int) -> None:
        """Remember a challenge until it expires (seconds since 1970)."""
        self._nonces.add(nonce)
        self._counts[address] += 1
        heapq.heappush(self._expiries, (expires, nonce, address))

    def _forget_expired(self, now: int) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            self._forgotten_until, nonce, address = heapq.heappop(self._expiries)
            self._nonces.remove(nonce)
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]
