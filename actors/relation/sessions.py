"""The sessions of logged-in devices."""

from collections import OrderedDict

import msgspec


class Login(msgspec.Struct):
    """The login of one device.

    Attributes:
        token: the device sends it with each request.
        address: the account's address, with its checksum.
        expires: seconds since 1970.
        sent: index of the last message that was sent to the device; None before the first.
    """

    token: str
    address: str
    expires: int
    sent: int | None = None


class Sessions:
    """The sessions of all accounts, by their tokens, until they expire.

    Args:
        account_max: limit of sessions of one account.
        total_max: limit of sessions of all accounts.
    """

    def __init__(self, *, account_max: int, total_max: int) -> None:
        self._account_max, self._total_max = account_max, total_max
        self._logins: OrderedDict[str, Login] = OrderedDict()  # finds its oldest entry in constant time, unlike a dict
        self._by_use: OrderedDict[str, None] = OrderedDict()  # tokens, that of the longest unused session first
        self._tokens: dict[str, dict[str, None]] = {}  # the tokens of each account, the oldest first

    def add(self, login: Login, now: int) -> None:
        """Keep a session.

        It replaces the account's oldest session where a limit is reached. Where all accounts together have as many as
        they may, and this account has none, it replaces the session that was unused for the longest time: accounts are
        free, so a refusal would let one person lock all others out until the sessions expire.
        """
        self._end_expired(now)
        tokens = self._tokens.get(login.address, {})
        is_full = len(self._logins) >= self._total_max
        if len(tokens) >= self._account_max or is_full:
            self.end(self._logins[next(iter(tokens or self._by_use))])
        self._logins[login.token] = login
        self._by_use[login.token] = None
        self._tokens.setdefault(login.address, {})[login.token] = None

    def find(self, token: str, now: int) -> Login | None:
        """The session of a token, which is then the last used one; None if it is unknown or has expired."""
        login = self._logins.get(token)
        if login is None or now >= login.expires:
            return None
        self._by_use.move_to_end(token)
        return login

    def end(self, login: Login) -> None:
        """End a session."""
        if self._logins.pop(login.token, None) is None:
            return
        del self._by_use[login.token]
        tokens = self._tokens[login.address]
        del tokens[login.token]
        if not tokens:
            del self._tokens[login.address]

    def _end_expired(self, now: int) -> None:
        while self._logins:
            oldest = next(iter(self._logins.values()))
            if now < oldest.expires:
                return
            self.end(oldest)
