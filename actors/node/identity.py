"""A node's identity: the registry of its log, and the key that started it."""

from pathlib import Path

from actors.ans104.wallet import Wallet
from actors.evidence.checkpoints import checkpoint_of, key_of, sign
from actors.processes import REGISTRIES
from actors.protocol.spawn import module_of
from actors.runtime.logs import get_logger
from eventstore import EventStoreError, LogFile, LogUnusable

logger = get_logger()


class Identity:
    """The registry and the key of a log.

    Args:
        log: open for writing; checkpoints are stored in it.
        name: names the log in messages to people.
        key_file: where the key is, or will be.

    Attributes:
        registry: process id of the log's first process.
        is_newest: whether the registry has the newest module.
        address: of the key that started the log.
    """

    def __init__(self, log: LogFile, name: str, key_file: Path) -> None:
        self.registry = self.address = ""
        self.is_newest = False
        self._log, self._name, self._key_file = log, name, key_file
        self._key: Wallet | None = None

    @property
    def key(self) -> Wallet | None:
        """The key that started the log; None if the node has another key, or none."""
        return self._key if self._key is not None and self._key.address == self.address else None

    def load(self, wallet: Wallet | None) -> bytes | None:
        """Load the key, or create it for a new log.

        Returns:
            The signed item that spawns the registry of a new log.

        Raises:
            WalletError: the key file cannot be read or written.
        """
        if not self._log.head().sequence:
            self._key = wallet or Wallet.load_or_create(self._key_file)
            return self._key.sign(tags=[("Type", "Process"), ("Module", REGISTRIES[-1])])
        if wallet is not None or self._key_file.exists():
            self._key = wallet or Wallet.load(self._key_file)
        return None

    def identify(self, log: LogFile) -> None:
        """Read registry and address from the log's first message.

        Raises:
            LogUnusable: the log does not begin with a registry.
        """
        first = next(log.read(until=1), None)
        if first is None or module_of(first.message) not in REGISTRIES:
            raise LogUnusable(f"{self._name} does not begin with a registry")
        self.registry, self.address = first.process, first.message.sender
        self.is_newest = module_of(first.message) == REGISTRIES[-1]

    def sign_checkpoint(self, log: LogFile) -> None:
        """Store a signed statement of the log's end. A later change contradicts it, unless a forger signs again."""
        sequence = log.head().sequence
        if not sequence:
            return
        key = key_of(log)
        if self._key is None or self._key.public_key != key.public_key:
            logger.warning("no checkpoint: this is not the key of the node that began the log", log=self._name)
            return
        try:
            self._log.store_checkpoint(sequence, sign(checkpoint_of(log, key), self._key))
        except EventStoreError as error:
            logger.error("no checkpoint", error=str(error))
