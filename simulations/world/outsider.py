"""A third party that queries everything public about a session, and tries to decrypt it."""

from collections.abc import Callable

from simulations.clients.encryption import CannotOpen, decrypt, open_session_key
from simulations.clients.user import NodeClient, User


class Outsider:
    """A person who takes part in no session.

    Attributes:
        attempts: number of attempts to decrypt something.
        opened: number of attempts that succeeded.
        generations: sum of the newest key generations of the sessions.
    """

    def __init__(self, user: User, client: NodeClient) -> None:
        self._user, self._client = user, client
        self.attempts = self.opened = self.generations = 0

    async def try_session(self, session: str) -> None:
        """Try to decrypt the keys and the newest message of a session.

        Args:
            session: process id of the session.
        """
        for batch in await self._user.query(self._client, session, "GetCurrentKeys"):
            self.generations += batch["generation"]
            for sealed in (batch["encrypted_sk_by_a"], batch["encrypted_sk_by_b"]):
                self._try(open_session_key, sealed, self._user.key)
        for row in await self._user.query(self._client, session, "QueryMessage", {"limit": 1}):
            self._try(decrypt, row["content"], bytes(self._user.key))

    def _try(self, attempt: Callable[..., object], *arguments: object) -> None:
        self.attempts += 1
        try:
            attempt(*arguments)
        except CannotOpen:
            return
        self.opened += 1
