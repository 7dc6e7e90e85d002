"""Logging in by a signed challenge (EIP-4361, "Sign-In with Ethereum")."""

import hmac
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
from cachetools import TTLCache

from actors.crypto.secp256k1 import checksummed
from actors.processes.relation.message import signer_of
from actors.protocol.messages import Refusal

CHALLENGE_S = 300
LOGIN_S = 24 * 3600
LOGINS_MAX = 100_000
_RANDOM_HEX, _MAC_HEX = 16, 32
_NONCE = re.compile(rf"^Nonce: ([0-9a-f]{{{_RANDOM_HEX}}})([0-9a-f]{{{_MAC_HEX}}})$", re.MULTILINE)
_EXPIRES = re.compile(r"^Expiration Time: (\S+)\Z", re.MULTILINE)


class NotLoggedIn(Exception):
    """Whoever asks did not prove who that is, with the reason."""


class Login(msgspec.Struct):
    """Somebody on one device.

    Attributes:
        token: what the device shows from then on.
        address: with its checksum.
        expires: seconds since 1970.
        sent: place of the last message that was sent to the device; None before the first.
    """

    token: str
    address: str
    expires: int
    sent: int | None = None


class Logins:
    """Who is logged in at a proxy.

    Challenges are not kept: each carries a seal of the proxy's, so that a crowd that asks for them costs nothing.

    Args:
        clock: gives the time in ms.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._secret = os.urandom(32)
        self._used: TTLCache[str, bool] = TTLCache(LOGINS_MAX, CHALLENGE_S, self._now)
        self._logins: TTLCache[str, Login] = TTLCache(LOGINS_MAX, LOGIN_S, self._now)

    def challenge(self, address: str, host: str) -> str:
        """What an account has to sign to log in.

        Args:
            address: the account's.
            host: where it asked, so that it signs for no other place.

        Raises:
            NotLoggedIn: that is no address.
        """
        try:
            account = checksummed(address)
        except ValueError as error:
            raise NotLoggedIn(str(error)) from None
        now, nonce = self._now(), os.urandom(_RANDOM_HEX // 2).hex()
        text = (
            f"{host} wants you to sign in with your Ethereum account:\n{account}\n\n"
            f"Log in to read and send messages.\n\nURI: http://{host}\nVersion: 1\nChain ID: 1\nNonce: {nonce}\n"
            f"Issued At: {_iso(now)}\nExpiration Time: {_iso(now + CHALLENGE_S)}"
        )
        return text.replace(f"Nonce: {nonce}", f"Nonce: {nonce}{self._seal(text)}")

    def login(self, challenge: str, signature: str) -> Login:
        """Log somebody in, once for a challenge.

        Args:
            challenge: as it was given.
            signature: of the account (EIP-191), in hex.

        Raises:
            NotLoggedIn: it is no challenge of this proxy's, or too old, or used, or not signed by its account.
        """
        nonce, expires = _NONCE.search(challenge), _EXPIRES.search(challenge)
        plain = challenge.replace(nonce[0], f"Nonce: {nonce[1]}") if nonce else ""
        if nonce is None or expires is None or not hmac.compare_digest(self._seal(plain), nonce[2]):
            raise NotLoggedIn("this challenge is not one of this proxy's, or was changed")
        if datetime.fromisoformat(expires[1]).timestamp() <= self._now() or nonce[1] in self._used:
            raise NotLoggedIn("this challenge has expired or was used: ask for another")
        address = challenge.split("\n", 2)[1]
        try:
            signer = signer_of(challenge, signature, "signature")
        except Refusal as refusal:
            raise NotLoggedIn(str(refusal)) from None
        if signer != address:
            raise NotLoggedIn(f"this challenge is not signed by {address}")
        self._used[nonce[1]] = True
        login = Login(os.urandom(32).hex(), address, self._now() + LOGIN_S)
        self._logins[login.token] = login
        return login

    def of(self, token: str) -> Login:
        """Who shows a token.

        Raises:
            NotLoggedIn: nobody who is logged in.
        """
        login = self._logins.get(token)
        if login is None:
            raise NotLoggedIn("log in first: sign a challenge, and show the token that you get for it")
        return login

    def logout(self, login: Login) -> None:
        """Forget somebody's device."""
        self._logins.pop(login.token, None)

    def _now(self) -> int:
        return self._clock() // 1000

    def _seal(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()[:_MAC_HEX]


def _iso(seconds: Any) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
