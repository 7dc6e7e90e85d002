"""How often one address and one owner may ask."""

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.ans104.item import owner_of
from actors.http.common.responses import ANY_ORIGIN, RETRY_S, error_answer

_RETRY = {"Retry-After": str(RETRY_S)}


class Rates:
    """Counts what addresses ask and what owners send, apart from each other.

    Args:
        limit: as ``100/second``; without one nothing is counted.

    Raises:
        ValueError: that is no rate.
    """

    def __init__(self, limit: str | None) -> None:
        self._limit: RateLimitItem | None = parse(limit) if limit else None
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def check_owner(self, raw: bytes) -> bytes:
        """The owner that an item claims to be from.

        Raises:
            HTTPException: that owner sent too many (429).
            ItemRefused: it is signed in a way that is not known.
        """
        if self._limit is None:
            return b""
        owner = owner_of(raw)
        if not self._window.test(self._limit, "owner", owner.hex()):
            raise HTTPException(429, f"at most {self._limit} of one owner; try again", _RETRY)
        return owner

    def count_owner(self, owner: bytes) -> None:
        """Count an item that was genuine: a forger does not use up what its victim may send."""
        if self._limit is not None:
            self._window.hit(self._limit, "owner", owner.hex())

    def of_addresses(self, app: ASGIApp) -> ASGIApp:
        """The same application, which an address may ask only so often."""
        limit = self._limit
        if limit is None:
            return app

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            client = scope.get("client")
            if client and not self._window.hit(limit, "address", client[0]):
                refusal = error_answer(f"at most {limit} from one address; try again", 429, _RETRY | ANY_ORIGIN)
                await refusal(scope, receive, send)
                return
            await app(scope, receive, send)

        return limited
