"""Rate limits for each client address and each owner."""

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.ans104.item import owner_of
from actors.http.common.responses import ANY_ORIGIN, RETRY_SOON, error_response


class RateLimits:
    """Counts the requests of each address and, separately, the items of each owner in a moving window.

    A request counts as one, and a page also by its cost, once it is known.

    Args:
        limit: such as ``100/second``; None for no limit.

    Raises:
        ValueError: the limit is malformed.
    """

    def __init__(self, limit: str | None) -> None:
        self._limit: RateLimitItem | None = parse(limit) if limit else None
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def check_owner(self, raw: bytes) -> bytes:
        """The owner that an item names. The signature is not verified here.

        Raises:
            HTTPException: the owner has reached the limit (429).
            ItemRefused: the signature type is unknown.
        """
        if self._limit is None:
            return b""
        owner = owner_of(raw)
        if not self._window.test(self._limit, "owner", owner.hex()):
            raise HTTPException(429, f"rate limit: at most {self._limit} from one owner; try again later", RETRY_SOON)
        return owner

    def count_owner(self, owner: bytes) -> None:
        """Count a verified item. Forged items do not count, so a forger cannot use up its victim's limit."""
        if self._limit is not None:
            self._window.hit(self._limit, "owner", owner.hex())

    def count_cost(self, scope: Scope, cost: int) -> None:
        """Count a request that was served as so many further requests of its address, at most the whole limit."""
        client = scope.get("client")
        if self._limit is not None and client and cost > 0:
            left = self._window.get_window_stats(self._limit, "address", client[0]).remaining
            self._window.hit(self._limit, "address", client[0], cost=min(cost, max(left, 0)))

    def limit_addresses(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that requests above an address's limit get 429."""
        limit = self._limit
        if limit is None:
            return app

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            client = scope.get("client")
            if client and not self._window.hit(limit, "address", client[0]):
                text = f"rate limit: at most {limit} from one address; try again later"
                await error_response(text, 429, RETRY_SOON | ANY_ORIGIN)(scope, receive, send)
                return
            await app(scope, receive, send)

        return limited
