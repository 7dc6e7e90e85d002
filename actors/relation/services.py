"""What every proxy of a node shares: the registers and messages, the key keeper, and the archive."""

from pathlib import Path

from actors.ans104.wallet import Wallet, WalletError
from actors.node.node import Node
from actors.processes import Archive, KeyKeeper, Proxy, Relation
from actors.relation.calls import ProcessClient
from actors.relation.keys import Keys


def keys_path(log: Path) -> Path:
    """Where the secret lies that keys are sealed to: beside the log, never in it."""
    return log.with_name(log.name + ".keys")


def calls_of(node: Node) -> ProcessClient:
    """The way to the processes of whoever began a node's log.

    Raises:
        WalletError: the node's own key is not at hand.
    """
    if node.key is None:
        raise WalletError("the key of the node that began this log is not beside it: nobody else speaks for it")
    return ProcessClient(node, node.key)


class Services:
    """The processes of Relation ONE on a node, started where they are not there yet.

    Attributes:
        calls: speaks to them, in the name of the node.
        relation: id of the process with the registers and the messages.
        keys: gives out keys.
        archive: id of the process that knows what is packed.
    """

    def __init__(self, calls: ProcessClient, relation: str, keys: Keys, archive: str) -> None:
        self.calls, self.relation, self.keys, self.archive = calls, relation, keys, archive

    @classmethod
    async def of(cls, calls: ProcessClient, secret: Wallet) -> "Services":
        """Those that somebody serves.

        Args:
            calls: the way to them, and whose they are.
            secret: opens the keys that are kept.
        """
        private = secret.curve25519()
        relation = await calls.started(Relation.module)
        public_key = "0x" + bytes(private.public_key).hex()
        keeper = await calls.started(KeyKeeper.module, relation=relation, publicKey=public_key)
        archive = await calls.started(Archive.module, name=relation)
        return cls(calls, relation, Keys(calls, keeper, private), archive)

    async def proxy(self, name: str) -> str:
        """The process with the state of the proxy of that name."""
        return await self.calls.started(Proxy.module, name)
