"""A proxy of Relation ONE without its HTTP interface: the operations that the HTTP application performs."""

from collections.abc import Callable
from typing import Any

from actors.relation.chats import Chats
from actors.relation.login_domains import LoginDomains
from actors.relation.logins import Logins
from actors.relation.services import Services
from actors.relation.sessions import Login
from simulations.clients.relation_user import RelationUser, hex_signature

PAGE = 100
"""Messages per query."""
_DOMAIN = "proxy"


class ProxyDown(Exception):
    """The proxy is down."""


class Proxy:
    """One proxy. Its methods raise ``ProxyDown`` while it is down, and ``NotLoggedIn`` if a token is unknown.

    Args:
        services: the processes that all proxies share.
        process: id of the process with this proxy's state.
        clock: gives the virtual time in ms.
        down_ms: periods (start and end in ms) in which the proxy is down.
    """

    def __init__(
        self, services: Services, process: str, clock: Callable[[], int], down_ms: list[tuple[int, int]]
    ) -> None:
        self._services, self._clock, self._down_ms = services, clock, down_ms
        self._chats = Chats(services.calls, services.relation, process)
        self._logins = Logins(clock, LoginDomains([_DOMAIN]))

    def login(self, user: RelationUser) -> Login:
        """Log a user in."""
        self._check_up()
        challenge = self._logins.challenge(user.address, _DOMAIN)
        return self._logins.login(challenge, hex_signature(user.wallet, challenge), _DOMAIN)

    async def send(self, token: str, message: dict[str, Any]) -> str:
        """Accept a signed message; returns its id."""
        self._login_of(token)
        return str((await self._services.calls.tell(self._services.relation, "sendMessage", **message))["id"])

    async def messages_after(self, token: str, position: int) -> list[Any]:
        """The first page of a user's messages after a position."""
        login = self._login_of(token)
        rows: list[Any] = await self._services.calls.ask(
            self._services.relation, "messagesAfter", addr=login.address, after=position, limit=PAGE
        )
        return rows

    async def mark_as_read(self, token: str, message_id: str) -> None:
        """Mark a message and all earlier ones of its chat as read."""
        await self._chats.mark_as_read(self._login_of(token).address, message_id)

    async def unread(self, token: str) -> int:
        """Number of unread messages."""
        return await self._chats.unread(self._login_of(token).address)

    async def chats(self, token: str) -> list[dict[str, Any]]:
        """All chats of a user."""
        return await self._chats.page(self._login_of(token).address, limit=10_000, offset=0)

    async def save_key(self, **body: Any) -> None:
        """Save a key under conditions at the key keeper."""
        self._check_up()
        await self._services.keys.save(**body)

    async def get_key(self, **body: Any) -> bytes:
        """Get a key, sealed to the user who proved the right to it."""
        self._check_up()
        return bytes.fromhex((await self._services.keys.get(**body))["symmetricKey"])

    def _login_of(self, token: str) -> Login:
        self._check_up()
        return self._logins.of(token)

    def _check_up(self) -> None:
        if any(start <= self._clock() < end for start, end in self._down_ms):
            raise ProxyDown
