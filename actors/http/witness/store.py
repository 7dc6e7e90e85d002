"""The newest checkpoint that a witness cosigned of each log, in an SQLite file of its own."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from actors.evidence.checkpoints import NoteInvalid, parse_note

APPLICATION_ID = 0x4D4F5357
"""``PRAGMA application_id`` of the file: "MOSW"."""
_TABLES = (
    "create table witness (name text not null)",
    "create table checkpoints (origin text primary key, note text not null)",
)


class StoreUnusable(Exception):
    """The file cannot be opened, read or written. The text names the file and the reason."""


class WitnessStore:
    """Stores the newest cosigned note of each log, and the witness's name. One thread may use it at a time.

    Every update is one transaction that first reads the newest note, so of two concurrent requests, also of two
    processes, only one can replace it. It is durable when the update returns (``synchronous = extra``).
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection

    @classmethod
    def open(cls, path: Path) -> "WitnessStore":
        """Open a file, or create it.

        Raises:
            StoreUnusable: the file cannot be opened, or is not the file of a witness.
        """
        from sqlite_utils import Database  # imported here so that other commands start faster

        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreUnusable(f"{path} cannot be opened ({error})") from None
        store = cls(path, connection)
        try:
            connection.execute("pragma synchronous = extra")
            connection.execute("begin immediate")
            [[application]] = connection.execute("pragma application_id")
            if application != APPLICATION_ID:
                if Database(connection).table_names():
                    raise StoreUnusable(f"{path} is not the file of a witness: choose another one")
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"pragma application_id = {APPLICATION_ID}")
            connection.execute("commit")
            for [note] in connection.execute("select note from checkpoints"):
                parse_note(note)
        except (sqlite3.Error, NoteInvalid) as error:
            connection.close()
            raise StoreUnusable(f"{path} is not the file of a witness, or is damaged ({error})") from None
        except BaseException:
            connection.close()
            raise
        return store

    def is_named(self) -> bool:
        """Whether a witness has used the file: it stores its name before it cosigns.

        Raises:
            StoreUnusable: the file cannot be read.
        """
        return bool(self._rows("select name from witness"))

    def name(self, wanted: str) -> str:
        """The name of the witness: the stored one, or for a new file the wanted one, which is stored.

        Raises:
            StoreUnusable: the file cannot be written.
        """
        stored = self._rows("select name from witness")
        if not stored:
            self._rows("insert into witness values (?)", wanted)
        return stored[0][0] if stored else wanted

    def newest(self, origin: str) -> str | None:
        """The newest cosigned note of a log; None if there is none.

        Raises:
            StoreUnusable: the file cannot be read.
        """
        rows = self._rows("select note from checkpoints where origin = ?", origin)
        return rows[0][0] if rows else None

    def update(self, origin: str, replace: Callable[[str | None], str | None]) -> None:
        """Replace the newest note of a log.

        Args:
            origin: of the log.
            replace: gets the newest note and returns the one that replaces it, or None to leave it. If it raises, the
                note stays.

        Raises:
            StoreUnusable: the file cannot be read or written.
        """
        self._rows("begin immediate")
        try:
            note = replace(self.newest(origin))
            if note is not None:
                self._rows("insert or replace into checkpoints values (?, ?)", origin, note)
            self._rows("commit")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("rollback")
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _rows(self, statement: str, *arguments: str) -> list[tuple[str, ...]]:
        try:
            with closing(self._connection.execute(statement, arguments)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise StoreUnusable(f"{self._path} cannot be read or written ({error})") from None
