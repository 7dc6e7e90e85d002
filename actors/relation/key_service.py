"""The key keeper's service. It alone holds the secret that decrypts kept keys (relation-one-im.md 6.3)."""

from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from actors.processes.relation.access_conditions import digest
from actors.processes.relation.key_keeper import KEY_BYTES
from actors.relation.process_client import ProcessClient, Refused


class KeyService:
    """Gives a kept key to a client if the key keeper's process grants it.

    The log records each request and the process's decision. It never contains the secret or a decrypted key.

    Attributes:
        process: id of the key keeper's process.
        public_key: clients encrypt keys to it before they save them (X25519, hex).

    Args:
        calls: calls the process.
        process: id of the key keeper's process.
        secret: decrypts kept keys.
    """

    def __init__(self, calls: ProcessClient, process: str, secret: PrivateKey) -> None:
        self._calls, self.process, self._secret = calls, process, secret
        self.public_key = "0x" + bytes(secret.public_key).hex()

    async def save(self, /, **body: Any) -> Any:
        """Keep a key. The client has encrypted it to ``public_key`` together with the digest of its conditions.

        Raises:
            Refused: the body is malformed (see ``SaveEncryptionKey``), or the key is kept under other conditions.
        """
        return await self._calls.tell(self.process, "saveEncryptionKey", **body)

    async def get(self, /, **body: Any) -> Any:
        """A kept key, encrypted to the public key that the body's proof of address authorises.

        Raises:
            Refused: the address does not meet the conditions, or the key was made for other conditions.
        """
        result = await self._calls.send(self.process, "getEncryptionKey", **body)
        if result.error is not None:
            raise Refused(result.error)
        await self._calls.wait_until_quiescent()  # the contracts have then answered whether the conditions are met
        grant = await self._calls.ask(self.process, "getGrant", request=result.message_id)
        if not grant["given"]:
            raise Refused(f"{grant['address']} does not meet the conditions")
        try:
            opened = SealedBox(self._secret).decrypt(bytes.fromhex(grant["sealed"]))
        except CryptoError:
            raise Refused("this key is not encrypted to this key keeper's public key: see /info") from None
        key, bound = opened[:KEY_BYTES], opened[KEY_BYTES:]
        if bound.hex() != digest(body["accessControlConditions"]):
            raise Refused("this key was made for other conditions")
        sealed = SealedBox(PublicKey(bytes.fromhex(grant["public_key"][2:]))).encrypt(key)
        return {"symmetricKey": sealed.hex()}
