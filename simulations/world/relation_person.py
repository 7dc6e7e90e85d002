"""A person of Relation ONE in virtual time: sends and reads messages through one of several proxies."""

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, NamedTuple, TypeVar

from nacl.public import PrivateKey, PublicKey, SealedBox

from actors.processes.relation.access_conditions import digest
from actors.processes.relation.message import P2P
from actors.protocol.canonical_json import encode
from actors.relation.logins import NotLoggedIn
from actors.relation.payloads import parse_payload
from actors.relation.process_client import Refused
from actors.relation.services import Services
from simulations.clients.encryption import Entropy, decrypt, encrypt, seal
from simulations.clients.relation_user import RelationUser, auth_sig, for_address, for_members
from simulations.clients.user import UserError
from simulations.faults.fault import NetworkFault
from simulations.faults.faulty_network import FaultyNetwork
from simulations.faults.virtual_time import VirtualTime
from simulations.world.relation_proxy import Proxy, ProxyDown

T = TypeVar("T")


KEY_BYTES = 32
TWO_DAYS_MS = 48 * 3600 * 1000


class OpenedMessage(NamedTuple):
    """A message that its receiver has decrypted."""

    id: str
    sender: str
    receiver: str
    text: str


class RelationPerson:
    """A person with a current proxy.

    Args:
        handle: the name.
        services: the processes of Relation ONE.
        proxies: all proxies; the first one is the current one at the start.
        time: the virtual time.
        faults: faults of this person's network.
        entropy: gives random bytes for keys.
        random: draws the faults.
        lasts_ms: validity of a session key in ms.

    Attributes:
        user: the account and its keys.
        handle: the name.
        proof: proves the account's address to the key keeper.
        moved: how often the person moved to another proxy.
        renewed: how often a session key expired in use.
        busy: whether the person is reading.
    """

    def __init__(
        self,
        handle: str,
        services: Services,
        proxies: list[Proxy],
        time: VirtualTime,
        faults: Sequence[NetworkFault],
        *,
        entropy: Entropy,
        random: Random,
        lasts_ms: int,
    ) -> None:
        self.handle, self.moved, self.renewed, self.busy = handle, 0, 0, False
        self._services, self._proxies = services, proxies
        self._entropy, self._lasts_ms = entropy, lasts_ms
        self._network = FaultyNetwork(time, faults, random)
        self._now = time.clock
        self.user = RelationUser(entropy, now=self._now(), lasts=lasts_ms)
        self._encryption_key = PrivateKey(entropy(PrivateKey.SIZE))
        public_key = "0x" + bytes(self._encryption_key.public_key).hex()
        self.proof = auth_sig(self.user, now=self._now(), public_key=public_key, lasts=TWO_DAYS_MS)
        self._current, self._token = 0, ""
        self._read_until = -1

    @property
    def address(self) -> str:
        """Address of the account."""
        return self.user.address

    async def contract(self, method: str, **arguments: Any) -> Any:
        """Call a method of the contracts.

        Raises:
            UserError: the contract refused the call.
        """
        item = self.user.wallet.sign(
            target=self._services.relation, action=method, data=encode(arguments), anchor=self._entropy(32)
        )
        result = await self._network.send(item)
        if result.error is not None:
            raise UserError(result.error)
        return result.answer

    async def send_text(self, receiver: str, text: str, *, kind: int = P2P, type_: str = "TEXT") -> str:
        """Encrypt, sign and send a message; returns its id once it is durable. Renews an expired session key.

        Raises:
            PayloadMalformed: the text does not have the format of its type.
            Refused: the message was refused.
        """
        parse_payload(type_, text)
        conditions = for_address(receiver) if kind == P2P else for_members(receiver)
        key = self._entropy(KEY_BYTES)
        keeper = PublicKey(bytes.fromhex(self._services.keys.public_key[2:]))
        sealed = seal(key + bytes.fromhex(digest(conditions)), keeper, self._entropy).hex()
        saved = {"accessControlConditions": conditions, "encryptedSymmetricKey": sealed, "authSig": self.proof}
        await self.save_key(saved)
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
        """Send a signed message; returns its id.

        Raises:
            Refused: the message was refused.
        """
        return await self._call(lambda proxy: proxy.send(self._token, message))

    async def save_key(self, key: dict[str, Any]) -> None:
        """Save a sealed key under conditions at the key keeper.

        Raises:
            Refused: the key keeper refused.
        """
        await self._call(lambda proxy: proxy.save_key(**key))

    async def catch_up(self) -> list[tuple[dict[str, Any], OpenedMessage]]:
        """Open all messages since the previous call, and mark them as read."""
        messages, self._read_until = await self._read_after(self._read_until)
        return [(message, await self.open(message)) for message in messages]

    async def open(self, message: dict[str, Any]) -> OpenedMessage:
        """Get a message's key from the key keeper, and decrypt the message.

        Raises:
            PayloadMalformed: the text does not have the format of its type.
            Refused: the key keeper refused.
        """
        receiver = message["receiver"]
        conditions = for_address(receiver) if message["kind"] == P2P else for_members(receiver)
        request = {
            "accessControlConditions": conditions,
            "toDecrypt": message["encryptedSymmetricKey"],
            "authSig": self.proof,
        }
        key = SealedBox(self._encryption_key).decrypt(await self._call(lambda proxy: proxy.get_key(**request)))
        text = decrypt(message["payload"], key)
        parse_payload(message["type"], text)
        return OpenedMessage(message["id"], message["sender"], receiver, text)

    async def state(self) -> tuple[int, list[dict[str, Any]]]:
        """Number of unread messages at the current proxy, and all chats."""
        return await self._call(lambda proxy: proxy.unread(self._token)), await self._call(
            lambda proxy: proxy.chats(self._token)
        )

    async def read_all(self) -> None:
        """Mark all messages as read at the current proxy."""
        await self._read_after(-1)

    async def _read_after(self, position: int) -> tuple[list[dict[str, Any]], int]:
        """Mark other people's messages after a position as read; returns them and the position of the last one."""
        messages: list[dict[str, Any]] = []
        while rows := await self._messages_after(position):
            messages += [row["message"] for row in rows if row["message"]["sender"] != self.address]
            position = rows[-1]["place"]
        newest = {
            message["sender"] if message["receiver"] == self.address else message["receiver"]: message["id"]
            for message in messages
        }
        for id_ in newest.values():
            await self._mark_as_read(id_)
        return messages, position

    async def _messages_after(self, position: int) -> list[Any]:
        return await self._call(lambda proxy: proxy.messages_after(self._token, position))

    async def _mark_as_read(self, message_id: str) -> None:
        await self._call(lambda proxy: proxy.mark_as_read(self._token, message_id))

    async def _call(self, call: Callable[[Proxy], Awaitable[T]]) -> T:
        """Call the current proxy over the faulty network until a reply arrives; if it is down, move to the next."""

        async def attempt() -> T:
            try:
                reply = await call(self._proxies[self._current])
                for _ in range(self._network.extra_copies()):
                    await call(self._proxies[self._current])
            except NotLoggedIn:
                self._log_in()
                return await attempt()
            except ProxyDown:
                self._current = (self._current + 1) % len(self._proxies)
                self.moved += 1
                self._log_in()
                raise
            return reply

        return await self._network.retry(attempt, unreachable=ProxyDown)

    def _log_in(self) -> None:
        try:
            self._token = self._proxies[self._current].login(self.user).token
        except ProxyDown:
            self._token = ""
