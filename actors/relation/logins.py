"""Login with a signed challenge (EIP-4361, "Sign-In with Ethereum")."""

import hmac
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from time import monotonic
from typing import Any

import msgspec

from actors.crypto.secp256k1 import checksummed
from actors.node.append_limits import Budget
from actors.node.limits import PerPeriod
from actors.processes.relation.message import signer_of
from actors.protocol.messages import Refusal
from actors.relation.login_domains import LoginDomains, WrongDomain
from actors.relation.sessions import Login, Sessions
from actors.relation.used_challenges import TooManyLogins, UsedChallenges

CHALLENGE_S = 300
LOGIN_S = 24 * 3600
_RANDOM_HEX, _MAC_HEX = 16, 32
_SIGN_IN = " wants you to sign in with your Ethereum account:"
_NONCE = re.compile(rf"^Nonce: ([0-9a-f]{{{_RANDOM_HEX}}})([0-9a-f]{{{_MAC_HEX}}})$", re.MULTILINE)
_EXPIRES = re.compile(r"^Expiration Time: (\S+)\Z", re.MULTILINE)


class NotLoggedIn(Exception):
    """A client has not proven its identity, with the reason."""


class LoginLimits(msgspec.Struct, frozen=True):
    """The limits of a proxy's logins.

    Attributes:
        account_logins: logins of one account within the lifetime of a challenge (``CHALLENGE_S``).
        logins: logins of all accounts within that time.
        account_sessions: sessions of one account; above it, a new session replaces the account's oldest.
        sessions: sessions of all accounts; above it, that of another account replaces the longest unused one.
        address_logins: logins of all accounts from one network address; None for no limit.
    """

    account_logins: int = 100
    logins: int = 100_000
    account_sessions: int = 32
    sessions: int = 100_000
    address_logins: PerPeriod | None = PerPeriod(200, 60)


class Logins:
    """The logins of a proxy, in memory.

    Challenges are not stored: each carries a MAC, so that requests for challenges cost no memory. What logins cost is
    limited for each account, for each address and in total. An account that has a session ends no other account's one.

    Args:
        clock: returns the time in ms.
        domains: the domains at which accounts log in.
        limits: the limits.
    """

    def __init__(self, clock: Callable[[], int], domains: LoginDomains, limits: LoginLimits | None = None) -> None:
        limits = limits or LoginLimits()
        self._clock, self._domains = clock, domains
        self._secret = os.urandom(32)
        self._used = UsedChallenges(account_max=limits.account_logins, total_max=limits.logins)
        self._of_addresses = Budget(limits.address_logins, monotonic) if limits.address_logins else None
        self._sessions = Sessions(account_max=limits.account_sessions, total_max=limits.sessions)

    def challenge(self, address: str, host: str) -> str:
        """The text that an account signs to log in.

        Args:
            address: the account's address.
            host: the host that the client connected to; the challenge is valid only for it.

        Raises:
            NotLoggedIn: the address is malformed.
            WrongDomain: the host is not a domain of this proxy.
        """
        domain = self._domains.check(host)
        try:
            account = checksummed(address)
        except ValueError as error:
            raise NotLoggedIn(str(error)) from None
        now, nonce = self._now(), os.urandom(_RANDOM_HEX // 2).hex()
        text = (
            f"{domain}{_SIGN_IN}\n{account}\n\nLog in to read and send messages.\n\n"
            f"URI: {self._domains.uri(domain)}\nVersion: 1\nChain ID: 1\nNonce: {nonce}\n"
            f"Issued At: {_iso(now)}\nExpiration Time: {_iso(now + CHALLENGE_S)}"
        )
        return text.replace(f"Nonce: {nonce}", f"Nonce: {nonce}{self._mac(text)}")

    def login(self, challenge: str, signature: str, host: str, client: str = "") -> Login:
        """Log an account in. A challenge is valid once.

        Args:
            challenge: the unchanged text of the challenge.
            signature: the account's signature (EIP-191), in hex.
            host: the host that the client connected to.
            client: the client's network address; empty if it has none.

        Raises:
            NotLoggedIn: the challenge is not from this proxy, has expired, was used, or its account did not sign it.
            WrongDomain: the host is not a domain of this proxy, or the challenge is for another domain.
            TooManyLogins: the account or the address logs in too often.
            LoginsFull: this proxy cannot keep more logins.
        """
        domain, now = self._domains.check(host), self._now()
        nonce, expires = _NONCE.search(challenge), _EXPIRES.search(challenge)
        plain = challenge.replace(nonce[0], f"Nonce: {nonce[1]}") if nonce else ""
        if nonce is None or expires is None or not hmac.compare_digest(self._mac(plain), nonce[2]):
            raise NotLoggedIn("this challenge is not from this proxy, or it was changed: request a new one")
        first_line, address, _ = challenge.split("\n", 2)
        if first_line != domain + _SIGN_IN:
            raise WrongDomain(
                f"this challenge is for {first_line.removesuffix(_SIGN_IN)}, but this request is for {domain}: request"
                " a new one"
            )
        expiry = int(datetime.fromisoformat(expires[1]).timestamp())
        if expiry <= now or self._used.is_used(nonce[1], expiry):
            raise NotLoggedIn("this challenge has expired or was used: request a new one")
        self._used.check_room(address, now)
        self._check_address(client)
        try:
            signer = signer_of(challenge, signature, "signature")
        except Refusal as refusal:
            raise NotLoggedIn(str(refusal)) from None
        if signer != address:
            raise NotLoggedIn(f"this challenge is not signed by {address}")
        login = Login(os.urandom(32).hex(), address, now + LOGIN_S)
        self._sessions.add(login, now)
        self._used.add(nonce[1], address, expiry)
        if self._of_addresses is not None and client:
            self._of_addresses.add(client, 1)
        return login

    def of(self, token: str) -> Login:
        """The login of a token.

        Raises:
            NotLoggedIn: the token is unknown or has expired.
        """
        login = self._sessions.find(token, self._now())
        if login is None:
            raise NotLoggedIn("log in first: sign a challenge from /login/challenge, and send the token of /login")
        return login

    def logout(self, login: Login) -> None:
        """End a login."""
        self._sessions.end(login)

    def _check_address(self, client: str) -> None:
        budget = self._of_addresses
        if budget is not None and client and (retry_s := budget.retry_s(client)):
            raise TooManyLogins(
                f"login limit: at most {budget.limit.text('logins')} from one address; try again in {retry_s} s",
                retry_s,
            )

    def _now(self) -> int:
        return self._clock() // 1000

    def _mac(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()[:_MAC_HEX]


def _iso(seconds: Any) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
