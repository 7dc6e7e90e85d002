"""Login with a signed challenge (EIP-4361, "Sign-In with Ethereum")."""

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
    """A client has not proven its identity, with the reason."""


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


class Logins:
    """The logins of a proxy, in memory.

    Challenges are not stored: each carries a MAC, so that requests for challenges cost no memory.

    Args:
        clock: returns the time in ms.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._secret = os.urandom(32)
        self._used: TTLCache[str, bool] = TTLCache(LOGINS_MAX, CHALLENGE_S, self._now)
        self._logins: TTLCache[str, Login] = TTLCache(LOGINS_MAX, LOGIN_S, self._now)

    def challenge(self, address: str, host: str) -> str:
        """The text that an account signs to log in.

        Args:
            address: the account's address.
            host: the host that the client connected to; the signature is valid only for it.

        Raises:
            NotLoggedIn: the address is malformed.
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
        return text.replace(f"Nonce: {nonce}", f"Nonce: {nonce}{self._mac(text)}")

    def login(self, challenge: str, signature: str) -> Login:
        """Log an account in. A challenge is valid once.

        Args:
            challenge: the unchanged text of the challenge.
            signature: the account's signature (EIP-191), in hex.

        Raises:
            NotLoggedIn: the challenge is not from this proxy, has expired, was used, or its account did not sign it.
        """
        nonce, expires = _NONCE.search(challenge), _EXPIRES.search(challenge)
        plain = challenge.replace(nonce[0], f"Nonce: {nonce[1]}") if nonce else ""
        if nonce is None or expires is None or not hmac.compare_digest(self._mac(plain), nonce[2]):
            raise NotLoggedIn("this challenge is not from this proxy, or it was changed: request a new one")
        if datetime.fromisoformat(expires[1]).timestamp() <= self._now() or nonce[1] in self._used:
            raise NotLoggedIn("this challenge has expired or was used: request a new one")
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
        """The login of a token.

        Raises:
            NotLoggedIn: the token is unknown or has expired.
        """
        login = self._logins.get(token)
        if login is None:
            raise NotLoggedIn("log in first: sign a challenge from /login/challenge, and send the token of /login")
        return login

    def logout(self, login: Login) -> None:
        """End a login."""
        self._logins.pop(login.token, None)

    def _now(self) -> int:
        return self._clock() // 1000

    def _mac(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()[:_MAC_HEX]


def _iso(seconds: Any) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
