"""A client of Relation ONE, written from the protocol's text alone: it imports nothing from this project."""

import json
import time
from base64 import b64decode, b64encode, urlsafe_b64decode
from contextlib import asynccontextmanager
from hashlib import sha384
from typing import Any

import httpx
import websockets
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

DAY_MS = 24 * 3600 * 1000
P2P, GROUP, DAO, ANNOUNCEMENT, HIDE = range(5)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """An account and its session key, connected to a proxy."""

    def __init__(self, url: str, *, account: Any = None, now: int | None = None, lasts: int = DAY_MS) -> None:
        self.url = url
        self.account = account or Account.create()
        self.address: str = self.account.address
        self.session = Account.create()
        created = now_ms() if now is None else now
        span = f"Creation timestamp: {created}, Expiry timestamp: {created + lasts}"
        self.delegation = f"Authorize {self.session.address} to delegate signature, {span}"
        self.delegation_sig = personal_sign(self.account, self.delegation)
        self.receiving = PrivateKey.generate()
        public_key = "0x" + bytes(self.receiving.public_key).hex()
        statement = f"Authorize {public_key} to receive keys, {span}"
        self.auth_sig = {
            "address": self.address,
            "signedMessage": statement,
            "sig": personal_sign(self.account, statement),
            "derivedVia": "web3.eth.personal.sign",
        }
        self.token = ""
        self.info: Any = None
        self._anchors = 0

    def at(self, url: str) -> "Client":
        """The same account's client at another proxy."""
        other = Client.__new__(Client)
        other.__dict__.update(self.__dict__)
        other.url, other.token = url, ""
        return other

    async def call(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, verify=False) as http:
            response = await http.request(method, path, **request)
        if response.status_code >= 400:
            raise Refused(response.status_code, response.json()["error"])
        return response.json() if response.content else None

    # -- identity

    async def login(self) -> None:
        challenge = (await self.call("POST", "/login/challenge", json={"address": self.address}))["challenge"]
        signed = {"challenge": challenge, "signature": personal_sign(self.account, challenge)}
        self.token = (await self.call("POST", "/login", json=signed))["token"]
        self.info = await self.call("GET", "/info")

    # -- contracts

    async def contract(self, method: str, **arguments: Any) -> Any:
        self._anchors += 1
        anchor = self._anchors.to_bytes(32, "big")
        target = urlsafe_b64decode(self.info["relation"] + "=")
        item = data_item(self.account, target, anchor, [("Action", method)], json.dumps(arguments).encode())
        return await self.call("POST", "/contract/call", content=item)

    async def ask(self, method: str, **arguments: Any) -> Any:
        return await self.call("POST", "/contract/ask", json={"method": method, "arguments": arguments})

    # -- messages

    async def encrypt(self, text: str, conditions: list[Any]) -> tuple[str, str]:
        """Encrypt a text under a new key and save the key under conditions (section 6.3, steps 1 and 2)."""
        key = SecretBox.KEY_SIZE * b"\0"
        while not any(key):
            key = bytes(PrivateKey.generate())
        encrypted = b64encode(SecretBox(key).encrypt(text.encode())).decode()
        canonical = json.dumps(conditions, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        keeper = PublicKey(bytes.fromhex(self.info["keyKeeperPublicKey"][2:]))
        body = {
            "accessControlConditions": conditions,
            "encryptedSymmetricKey": SealedBox(keeper).encrypt(key + keccak(text=canonical)).hex(),
            "chain": "ethereum",
            "authSig": self.auth_sig,
        }
        return encrypted, (await self.call("POST", "/keys/save", json=body))["encryptedSymmetricKey"]

    async def decrypt(self, message: Any, conditions: list[Any]) -> str:
        """Get a message's key and decrypt its payload (section 6.3, steps 5 and 6)."""
        body = {
            "accessControlConditions": conditions,
            "toDecrypt": message["encryptedSymmetricKey"],
            "chain": "ethereum",
            "authSig": self.auth_sig,
        }
        given = (await self.call("POST", "/keys/get", json=body))["symmetricKey"]
        key = SealedBox(self.receiving).decrypt(bytes.fromhex(given))
        return SecretBox(key).decrypt(b64decode(message["payload"])).decode()

    def compose(
        self,
        receiver: str,
        payload: str,
        key: str = "",
        *,
        kind: int = P2P,
        type_: str = "TEXT",
        tags: Any = (),
        timestamp: int | None = None,
    ) -> dict[str, Any]:
        """A signed message (section 7.1)."""
        message: dict[str, Any] = {
            "encryptedBy": "Lit",
            "sender": self.address,
            "receiver": receiver,
            "timestamp": now_ms() if timestamp is None else timestamp,
            "kind": kind,
            "tags": [list(tag) for tag in tags],
            "payload": payload,
            "delegationMessage": self.delegation,
            "delegationSig": self.delegation_sig,
        }
        id_ = "0x" + keccak(text=json.dumps(list(message.values()), separators=(",", ":"), ensure_ascii=False)).hex()
        sig = personal_sign(self.session, id_)
        return {**message, "id": id_, "type": type_, "encryptedSymmetricKey": key, "sig": sig}

    async def send(self, message: Any) -> str:
        return str((await self.call("POST", "/message/send", json=message))["id"])

    async def say(self, receiver: str, text: str, *, kind: int = P2P, **options: Any) -> dict[str, Any]:
        """Encrypt, sign and send a message; returns it."""
        conditions = for_address(receiver) if kind == P2P else for_members(receiver)
        encrypted, key = await self.encrypt(text, conditions)
        message = self.compose(receiver, encrypted, key, kind=kind, **options)
        await self.send(message)
        return message

    async def list(self, **page: int) -> list[Any]:
        return list(await self.call("GET", "/message/list", params=page))

    @asynccontextmanager
    async def pushed(self, since: str | None = None) -> Any:
        """Connect the WebSocket; yields its messages one by one."""
        url = self.url.replace("http", "ws", 1) + f"/ws?token={self.token}" + (f"&since={since}" if since else "")
        async with websockets.connect(url) as socket:
            yield Pushed(socket)


class Pushed:
    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self._waiting: list[Any] = []

    async def next(self) -> Any:
        while not self._waiting:
            self._waiting += json.loads(await self.socket.recv())
        return self._waiting.pop(0)


def for_address(address: str) -> list[Any]:
    """Conditions for one address (section 6.3)."""
    return [
        {
            "contractAddress": "",
            "standardContractType": "",
            "chain": "ethereum",
            "method": "",
            "parameters": [":userAddress"],
            "returnValueTest": {"comparator": "=", "value": address},
        }
    ]


def for_members(group: str) -> list[Any]:
    """Conditions for the holders of a group's token (section 6.2)."""
    return [
        {
            "contractAddress": group,
            "standardContractType": "ERC721",
            "chain": "ethereum",
            "method": "balanceOf",
            "parameters": [":userAddress"],
            "returnValueTest": {"comparator": ">", "value": "0"},
        }
    ]


def personal_sign(account: Any, text: str) -> str:
    signature = account.sign_message(encode_defunct(text=text)).signature.hex()
    return "0x" + signature.removeprefix("0x")


def data_item(account: Any, target: bytes, anchor: bytes, tags: list[tuple[str, str]], data: bytes) -> bytes:
    """A data item (ANS-104) signed by an Ethereum account."""
    owner = b"\4" + account._key_obj.public_key.to_bytes()
    block = avro(len(tags)) + b"".join(text(name) + text(value) for name, value in tags) + b"\0"
    signed = deep_hash([b"dataitem", b"1", b"3", owner, target, anchor, block, data])
    signature = bytes(account.sign_message(encode_defunct(signed)).signature)
    counts = len(tags).to_bytes(8, "little") + len(block).to_bytes(8, "little")
    return b"\3\0" + signature + owner + b"\1" + target + b"\1" + anchor + counts + block + data


def deep_hash(parts: list[bytes]) -> bytes:
    hashed = sha384(b"list" + str(len(parts)).encode()).digest()
    for part in parts:
        blob = sha384(sha384(b"blob" + str(len(part)).encode()).digest() + sha384(part).digest()).digest()
        hashed = sha384(hashed + blob).digest()
    return hashed


def avro(number: int) -> bytes:
    number, encoded = number << 1, bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def text(value: str) -> bytes:
    return avro(len(value.encode())) + value.encode()
