"""The processes that all proxies of a node share: contracts and messages, the key keeper, and the archive."""

from pathlib import Path

from actors.ans104.wallet import Wallet, WalletError
from actors.node.node import Node
from actors.processes import Archive, KeyKeeper, KeyKeeperV2, Proxy, ProxyV2, Relation, RelationV2
from actors.relation.key_service import KeyService
from actors.relation.process_client import ProcessClient


def keys_path(log: Path) -> Path:
    """The file with the key keeper's secret: beside the log, never in it."""
    return log.with_name(log.name + ".keys")


def process_client(node: Node) -> ProcessClient:
    """A client that sends in the name of the node that began the log.

    Raises:
        WalletError: the key of that node is missing.
    """
    if node.key is None:
        raise WalletError(
            "the key of the node that began this log is not beside it (LOG.key), and only that key may start and call"
            " the log's Relation ONE processes: put the key back"
        )
    return ProcessClient(node, node.key)


class Services:
    """The processes of Relation ONE on a node.

    Attributes:
        calls: calls them in the name of the node.
        relation: id of the process with the contracts and the messages.
        keys: gives out kept keys.
        archive: id of the process that records what is packed.
    """

    def __init__(self, calls: ProcessClient, relation: str, keys: KeyService, archive: str) -> None:
        self.calls, self.relation, self.keys, self.archive = calls, relation, keys, archive

    @classmethod
    async def of(cls, calls: ProcessClient, secret: Wallet) -> "Services":
        """The services of a client's key. Starts the processes that do not exist yet.

        Args:
            calls: access to the processes; its key owns them.
            secret: the key keeper's secret, which decrypts kept keys.
        """
        private = secret.curve25519()
        relation = await calls.start_process(Relation.module, RelationV2.module)
        public_key = "0x" + bytes(private.public_key).hex()
        keeper = await calls.start_process(
            KeyKeeper.module, KeyKeeperV2.module, relation=relation, publicKey=public_key
        )
        archive = await calls.start_process(Archive.module, name=relation)
        return cls(calls, relation, KeyService(calls, keeper, private), archive)

    async def proxy(self, name: str) -> str:
        """The id of the process with the state of a proxy. Starts the process if it does not exist."""
        return await self.calls.start_process(Proxy.module, ProxyV2.module, name=name)
