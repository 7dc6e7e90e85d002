"""A person of Relation ONE at one of several proxies: what it says and reads there, in virtual time."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, NamedTuple, TypeVar

from nacl.public import PrivateKey, PublicKey, SealedBox

from actors.processes.relation.access_conditions import digest
from actors.processes.relation.message import P2P
from actors.protocol.canonical_json import encode
from actors.relation.chats import Chats
from actors.relation.logins import Login, Logins, NotLoggedIn
from actors.relation.payloads import parse_payload
from actors.relation.process_client import Refused
from actors.relation.services import Services
from simulations.clients.encryption import Entropy, decrypt, encrypt, seal
from simulations.clients.relation_user import RelationUser, auth_sig, for_address, for_members, hex_signature
from simulations.clients.user import UserError
from simulations.faults.faulty_network import Network
from simulations.faults.virtual_time import VirtualTime
from simulations.scenario.scenario import Faults

T = TypeVar("T")

PAGE = 100
KEY_BYTES = 32
TWO_DAYS_MS = 48 * 3600 * 1000


class ProxyDown(Exception):
    """The proxy does not answer."""


class Proxy:
    """A proxy, without the wire: what its HTTP application does behind it.

    Args:
        services: the processes behind it.
        process: id of the one with its state.
        clock: gives the virtual time in ms.
        away: spans of time (ms) in which it does not answer.
    """

    def __init__(self, services: Services, process: str, clock: Callable[[], int], away: list[tuple[int, int]]) -> None:
        self._services, self._clock, self._away = services, clock, away
        self._chats = Chats(services.calls, services.relation, process)
        self._logins = Logins(clock)

    def login(self, user: RelationUser) -> Login:
        """Log somebody in."""
        self._answering()
        challenge = self._logins.challenge(user.address, "proxy")
        return self._logins.login(challenge, hex_signature(user.wallet, challenge))

    async def send(self, token: str, message: dict[str, Any]) -> str:
        """Take a message; gives its id."""
        self._who(token)
        return str((await self._services.calls.tell(self._services.relation, "sendMessage", **message))["id"])

    async def after(self, token: str, place: int) -> list[Any]:
        """What came for somebody after a place."""
        who = self._who(token)
        rows: list[Any] = await self._services.calls.ask(
            self._services.relation, "messagesAfter", addr=who.address, after=place, limit=PAGE
        )
        return rows

    async def read(self, token: str, message_id: str) -> None:
        """Mark a message as read, and those before it."""
        await self._chats.mark_as_read(self._who(token).address, message_id)

    async def unread(self, token: str) -> int:
        """How many messages are unread."""
        return await self._chats.unread(self._who(token).address)

    async def chats(self, token: str) -> list[dict[str, Any]]:
        """Somebody's chats."""
        return await self._chats.page(self._who(token).address, limit=10_000, offset=0)

    async def save_key(self, **body: Any) -> None:
        """Have a key kept."""
        self._answering()
        await self._services.keys.save(**body)

    async def get_key(self, **body: Any) -> bytes:
        """A key, sealed to whom it is for."""
        self._answering()
        return bytes.fromhex((await self._services.keys.get(**body))["symmetricKey"])

    def _who(self, token: str) -> Login:
        self._answering()
        return self._logins.of(token)

    def _answering(self) -> None:
        if any(begins <= self._clock() < ends for begins, ends in self._away):
            raise ProxyDown


class Heard(NamedTuple):
    """A message that somebody received and opened."""

    id: str
    sender: str
    receiver: str
    text: str


class RelationPerson:
    """Somebody, with the proxy of their choice.

    Attributes:
        user: their keys.
        handle: their name.
        moved: how often they went to another proxy.
        renewed: how often a session key of theirs ran out in use.
        busy: whether they are reading.
    """

    def __init__(
        self,
        handle: str,
        services: Services,
        proxies: list[Proxy],
        time: VirtualTime,
        faults: Faults,
        *,
        entropy: Entropy,
        random: Random,
        lasts_ms: int,
    ) -> None:
        self.handle, self.moved, self.renewed, self.busy = handle, 0, 0, False
        self._services, self._proxies, self._faults = services, proxies, faults
        self._entropy, self._random, self._lasts_ms = entropy, random, lasts_ms
        self._way = Network(time, faults, random)
        self._now = time.clock
        self.user = RelationUser(entropy, now=self._now(), lasts=lasts_ms)
        self._receiving = PrivateKey(entropy(PrivateKey.SIZE))
        public_key = "0x" + bytes(self._receiving.public_key).hex()
        self.proof = auth_sig(self.user, now=self._now(), public_key=public_key, lasts=TWO_DAYS_MS)
        self._at, self._token = 0, ""
        self._read_until = -1

    @property
    def address(self) -> str:
        """Of their account."""
        return self.user.address

    async def contract(self, method: str, **arguments: Any) -> Any:
        """Call a method of the contracts.

        Raises:
            UserError: it was refused.
        """
        item = self.user.wallet.sign(
            target=self._services.relation, action=method, data=encode(arguments), anchor=self._entropy(32)
        )
        result = await self._way.send(item)
        if result.error is not None:
            raise UserError(result.error)
        return result.answer

    async def say(self, receiver: str, text: str, *, kind: int = P2P, type_: str = "TEXT") -> str:
        """Encrypt, sign and send; gives the message's id once it is durable.

        Raises:
            PayloadMalformed: the text is none of its type.
            Refused: it was not taken.
        """
        parse_payload(type_, text)
        conditions = for_address(receiver) if kind == P2P else for_members(receiver)
        key = self._entropy(KEY_BYTES)
        keeper = PublicKey(bytes.fromhex(self._services.keys.public_key[2:]))
        sealed = seal(key + bytes.fromhex(digest(conditions)), keeper, self._entropy).hex()
        kept = {"accessControlConditions": conditions, "encryptedSymmetricKey": sealed, "authSig": self.proof}
        await self.keep(kept)
        payload = encrypt(text, key, self._entropy)
        while True:
            message = self.user.compose(
                receiver,
                payload,
                timestamp=self._now(),
                kind=kind,
                type_=type_,
                encrypted_symmetric_key=sealed,
            )
            try:
                return await self.send(message)
            except Refused as refusal:
                if "expired" not in str(refusal):
                    raise
            self.renewed += 1
            self.user.delegate(now=self._now(), lasts=self._lasts_ms)

    async def send(self, message: dict[str, Any]) -> str:
        """Send what is composed; gives its id.

        Raises:
            Refused: it was not taken.
        """
        return await self._call(lambda proxy: proxy.send(self._token, message))

    async def keep(self, key: dict[str, Any]) -> None:
        """Have a sealed key kept under conditions.

        Raises:
            Refused: it is not.
        """
        await self._call(lambda proxy: proxy.save_key(**key))

    async def catch_up(self) -> list[tuple[dict[str, Any], Heard]]:
        """Open everything that came since the last time, and mark it as read."""
        messages, self._read_until = await self._read_after(self._read_until)
        return [(message, await self.open(message)) for message in messages]

    async def open(self, message: dict[str, Any]) -> Heard:
        """Get a message's key and open it.

        Raises:
            PayloadMalformed: what it says is none of its type.
            Refused: the key is not given.
        """
        receiver = message["receiver"]
        conditions = for_address(receiver) if message["kind"] == P2P else for_members(receiver)
        asked = {
            "accessControlConditions": conditions,
            "toDecrypt": message["encryptedSymmetricKey"],
            "authSig": self.proof,
        }
        key = SealedBox(self._receiving).decrypt(await self._call(lambda proxy: proxy.get_key(**asked)))
        text = decrypt(message["payload"], key)
        parse_payload(message["type"], text)
        return Heard(message["id"], message["sender"], receiver, text)

    async def state(self) -> tuple[int, list[dict[str, Any]]]:
        """What is unread at their proxy, and their chats."""
        return await self._call(lambda proxy: proxy.unread(self._token)), await self._call(
            lambda proxy: proxy.chats(self._token)
        )

    async def read_all(self) -> None:
        """Mark everything as read at the proxy where they are now."""
        await self._read_after(-1)

    async def _read_after(self, place: int) -> tuple[list[dict[str, Any]], int]:
        """What others wrote after a place, which is marked as read, and the place of the last of it."""
        messages: list[dict[str, Any]] = []
        while rows := await self._after(place):
            messages += [row["message"] for row in rows if row["message"]["sender"] != self.address]
            place = rows[-1]["place"]
        newest = {
            message["sender"] if message["receiver"] == self.address else message["receiver"]: message["id"]
            for message in messages
        }
        for id_ in newest.values():
            await self._mark_as_read(id_)
        return messages, place

    async def _after(self, place: int) -> list[Any]:
        return await self._call(lambda proxy: proxy.after(self._token, place))

    async def _mark_as_read(self, message_id: str) -> None:
        await self._call(lambda proxy: proxy.read(self._token, message_id))

    async def _call(self, call: Callable[[Proxy], Awaitable[T]]) -> T:
        """Call the proxy, over a network that fails, until its answer is heard; and go to another if it is away."""

        async def attempt() -> T:
            try:
                answer = await call(self._proxies[self._at])
                if self._random.random() < self._faults.duplicate:
                    await call(self._proxies[self._at])
            except NotLoggedIn:
                self._log_in()
                return await attempt()
            except ProxyDown:
                self._at = (self._at + 1) % len(self._proxies)
                self.moved += 1
                self._log_in()
                raise
            return answer

        return await self._way.until_heard(attempt, gone=ProxyDown)

    def _log_in(self) -> None:
        try:
            self._token = self._proxies[self._at].login(self.user).token
        except ProxyDown:
            self._token = ""
