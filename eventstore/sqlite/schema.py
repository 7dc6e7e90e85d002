"""The tables of a log file, created and migrated with sqlite-utils, so that other tools read them.

Readers do not import this module, because importing sqlite-utils takes time.
"""

from sqlite_utils import Database, Migrations
from sqlite_utils.db import Table

from eventstore.merkle.tiles import TreeBuilder
from eventstore.records import ID_START
from eventstore.sqlite.file_format import APPLICATION_ID, FORMAT, is_excerpt
from eventstore.sqlite.message_ids import IdTable

_NO_TIME = "1970-01-01 00:00:00.000000+00:00"
"""Has the length of the value that it replaces, so that no byte of that value remains in the file."""

migrations = Migrations("mostao")


@migrations()
def m001_assignments(database: Database) -> None:
    """One row per message, in the order of the log."""
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
    """Every 256th hash of the Merkle tree over the assignments, and signed checkpoints of its root."""
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


@migrations()
def m003_short_indexes(database: Database) -> None:
    """Shorter index keys, which take a fifth of the space: a commit writes every index page that it touches.

    ``id_start`` is a prefix of the message's id. ``spawn`` is the sequence of the process's first message, whose id is
    the process's id. A trigger refuses duplicate messages, as the unique index over full ids did.
    """
    assignments = database["assignments"]
    assert isinstance(assignments, Table)
    assignments.add_column("id_start", str)
    assignments.add_column("spawn", int)
    database.execute(
        f"""
        update assignments set id_start = substr(message_id, 1, {ID_START}), spawn = coalesce((
            select sequence from assignments first where first.process = assignments.process and first.slot = 0
          ), 0)
        """
    )
    for columns in (["message_id"], ["process", "slot"], ["parent"]):
        database.execute(f"drop index idx_assignments_{'_'.join(columns)}")
    assignments.create_index(["id_start"])
    assignments.create_index(["spawn", "slot"], unique=True)
    database.execute("create index idx_assignments_parent on assignments(parent) where parent is not null")
    database.execute(
        """
        create trigger no_message_twice before insert on assignments when exists (
            select 1 from assignments where id_start = new.id_start and message_id = new.message_id
        ) begin select raise(rollback, 'a message with this id is there already'); end
        """
    )


@migrations()
def m004_ids_in_order(database: Database) -> None:
    """A table of ids that is filled in the order of the ids and lags behind the rows.

    ``eventstore.sqlite.message_ids`` explains it.
    An index finds the first message of a process, and with it the other messages of the process.
    """
    database.execute("drop trigger if exists no_message_twice")  # the first logs of format 3 have none
    database.execute("drop index idx_assignments_id_start")
    database.execute("alter table assignments drop column id_start")
    database.execute(
        f"create index idx_assignments_first on assignments(substr(process, 1, {ID_START})) where slot = 0"
    )
    database.execute(
        "create table ids (id_start text not null, sequence integer not null, primary key (id_start, sequence))"
        " without rowid"
    )
    IdTable(database.conn).fill()
    [processes] = database.execute("select sql from sqlite_master where name = 'processes'").fetchone()
    database["processes"].drop()
    database.execute(f"{processes} order by sequence")


def migrate(database: Database) -> None:
    """Create the tables of a new log, or migrate an older one to the newest format.

    The application id is written first and the format last. So if this is interrupted, the file is known to be a log
    with unfinished migrations, and the next writer finishes them.
    """
    if not is_excerpt(database.conn):
        database.execute(f"pragma application_id = {APPLICATION_ID}")
    migrations.apply(database)
    # no creation time in the file: the same assignments make the same bytes
    database.execute("update _sqlite_migrations set applied_at = ?", (_NO_TIME,))
    database.execute(f"pragma user_version = {FORMAT}")
