"""The key keeper's edge: it alone has the secret that kept keys are sealed to (relation-one-im.md 6.3)."""

from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from actors.processes.relation.access_conditions import digest
from actors.processes.relation.key_keeper import KEY_BYTES
from actors.relation.calls import ProcessClient, Refused


class Keys:
    """Gives keys to those to whom the key keeper's process grants them.

    Nothing of this is in the log but who asked, and what the process decided.

    Attributes:
        process: id of the key keeper.
        public_key: what keys are sealed to before they are saved, in hex.

    Args:
        calls: speaks to the process.
        process: the key keeper's id.
        secret: opens what is kept.
    """

    def __init__(self, calls: ProcessClient, process: str, secret: PrivateKey) -> None:
        self._calls, self.process, self._secret = calls, process, secret
        self.public_key = "0x" + bytes(secret.public_key).hex()

    async def save(self, **body: Any) -> Any:
        """Have a key kept that is sealed to ``public_key``, together with ``digest`` of its conditions.

        Raises:
            Refused: the body is not as ``SaveEncryptionKey`` has it, or the key is kept under other conditions.
        """
        return await self._calls.tell(self.process, "saveEncryptionKey", **body)

    async def get(self, **body: Any) -> Any:
        """A key, sealed to whom the proof of address in the body authorises.

        Raises:
            Refused: who asks does not meet the conditions; or the key is kept under others than it was made for.
        """
        result = await self._calls.send(self.process, "getEncryptionKey", **body)
        if result.error is not None:
            raise Refused(result.error)
        await self._calls.settled()  # what the registers said is behind it then
        grant = await self._calls.ask(self.process, "getGrant", request=result.message_id)
        if not grant["given"]:
            raise Refused(f"{grant['address']} does not meet the conditions")
        try:
            opened = SealedBox(self._secret).decrypt(bytes.fromhex(grant["sealed"]))
        except CryptoError:
            raise Refused("this key was not sealed to this key keeper") from None
        key, bound = opened[:KEY_BYTES], opened[KEY_BYTES:]
        if bound.hex() != digest(body["accessControlConditions"]):
            raise Refused("this key was made for other conditions")
        sealed = SealedBox(PublicKey(bytes.fromhex(grant["public_key"][2:]))).encrypt(key)
        return {"symmetricKey": sealed.hex()}
