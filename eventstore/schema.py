"""The tables of a log file, made and migrated with sqlite-utils so that other tools read them too."""

from pathlib import Path

from sqlite_utils import Database, Migrations
from sqlite_utils.db import Table

from eventstore.errors import LogUnusable
from eventstore.tree import TreeBuilder

APPLICATION_ID = 0x4D4F5354
"""SQLite's application id of a log file: "MOST"."""
FORMAT = 2
"""Number of the newest migration below; kept in ``PRAGMA user_version``."""

_NO_TIME = "1970-01-01 00:00:00.000000+00:00"
"""As long as what it replaces, which so leaves no trace in the file."""

migrations = Migrations("mostao")


@migrations()
def m001_assignments(database: Database) -> None:
    """One row per message, in the order of the whole log."""
    assignments = database["assignments"]
    assert isinstance(assignments, Table)
    assignments.create(
        {
            "sequence": int,
            "process": str,
            "slot": int,
            "timestamp": int,
            "message_id": str,
            "sender": str,
            "action": str,
            "parent": int,
            "tags": str,
            "data": bytes,
            "anchor": str,
            "envelope": bytes,
            "process_chain": bytes,
            "log_chain": bytes,
            "output": str,
            "error": str,
        },
        pk="sequence",
        not_null={"process", "slot", "timestamp", "message_id", "sender", "action", "tags", "data"},
    )
    assignments.create_index(["message_id"], unique=True)
    assignments.create_index(["process", "slot"], unique=True)
    assignments.create_index(["parent"])
    database.create_view(
        "processes",
        """
        select process, sequence, timestamp, sender as spawned_by, (
            select json_extract(value, '$[1]') from json_each(tags) where json_extract(value, '$[0]') = 'Module'
          ) as module, coalesce((
            select json_extract(value, '$[1]') from json_each(tags) where json_extract(value, '$[0]') = 'Owner'
          ), sender) as owner
        from assignments where slot = 0
        """,
    )


@migrations()
def m002_tree_and_checkpoints(database: Database) -> None:
    """Every 256th hash of the Merkle tree over the assignments, and signed statements of its root."""
    tree, checkpoints = database["tree"], database["checkpoints"]
    assert isinstance(tree, Table)
    assert isinstance(checkpoints, Table)
    tree.create(
        {"level": int, "number": int, "hash": bytes}, pk=("level", "number"), not_null={"level", "number", "hash"}
    )
    checkpoints.create({"sequence": int, "note": str}, pk="sequence", not_null={"note"})
    builder = TreeBuilder()
    for [log_chain] in database.execute("select log_chain from assignments order by sequence").fetchall():
        for node in builder.append(log_chain):
            database.execute("insert into tree values (?, ?, ?)", node)


def migrate(database: Database) -> None:
    """Bring a new or older log to the newest format.

    The name comes first and the format last: a log whose making was cut short is known as one, and made again.
    """
    database.execute(f"pragma application_id = {APPLICATION_ID}")
    migrations.apply(database)
    # when a file was made is nobody's business: the same assignments make the same bytes
    database.execute("update _sqlite_migrations set applied_at = ?", (_NO_TIME,))
    database.execute(f"pragma user_version = {FORMAT}")


def check_format(database: Database, path: Path) -> int:
    """The format of a file that may be a log; 0 for an empty database.

    Raises:
        LogUnusable: it is another application's database, or of a newer format.
    """
    [application_id] = database.execute("pragma application_id").fetchone()
    [format_] = database.execute("pragma user_version").fetchone()
    if application_id != APPLICATION_ID:
        if application_id == 0 and format_ == 0 and not database.table_names():
            return 0
        raise LogUnusable(f"{path} is an SQLite database, but not a mostao log")
    if format_ > FORMAT:
        raise LogUnusable(
            f"{path} is a log of format {format_}; this version reads up to format {FORMAT}: use a newer mostao"
        )
    return int(format_)
