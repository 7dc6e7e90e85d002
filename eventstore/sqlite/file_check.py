"""What an audit checks of a log's file before and beside its rows: the schema, and every page and index entry."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from eventstore.errors import LogFault, LogUnusable
from eventstore.sqlite.connect import UNREADABLE, connect_to_log, connect_to_read, existing_log, unusable_message
from eventstore.sqlite.file_format import APPLICATION_ID, EXCERPT_ID
from eventstore.sqlite.schema_check import DEFINED, MIGRATIONS, schema_differences

_OPERATIONS = 5_000_000
"""Operations of SQLite's virtual machine between two looks at whether to stop. Each one needs the interpreter lock."""
_APPLICATION_ID = slice(68, 72)
"""Where the header of a database has its application id (https://sqlite.org/fileformat2.html)."""
_OF_LOGS = {application_id.to_bytes(4) for application_id in (APPLICATION_ID, EXCERPT_ID)}


def schema_faults(path: Path) -> list[LogFault]:
    """See ``Engine.schema_faults``."""
    path = existing_log(path)
    try:
        connect_to_read(path).close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_CORRUPT" and _header(path)[_APPLICATION_ID] in _OF_LOGS:
            return [LogFault.of_file("the file", "as many whole pages as its header states", str(error))]
    connection = connect_to_log(path, excerpt=True)
    try:
        faults = [
            LogFault.of_file(f"schema: {object_}", expected or "no such object", found or "no such object")
            for object_, expected, found, _ in schema_differences(connection)
        ]
        return faults or list(_column_faults(connection))
    finally:
        connection.close()


def _column_faults(connection: sqlite3.Connection) -> Iterator[LogFault]:
    """Columns that SQLite understands in another way than the format's, although their definitions read the same."""
    with closing(sqlite3.connect(":memory:")) as defined:
        for table in DEFINED:
            if table.type != "table":
                continue
            defined.execute(table.definition)
            query = f"select name, type, [notnull], dflt_value, pk, hidden from pragma_table_xinfo('{table.name}')"
            expected, found = (each.execute(query).fetchall() for each in (defined, connection))
            if expected != found:
                yield LogFault.of_file(f"schema: columns of {table}", expected, found)


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def integrity_faults(path: Path, *, faults_max: int, is_stopped: Callable[[], bool]) -> list[LogFault]:
    """See ``Engine.integrity_faults``."""
    path = existing_log(path)
    try:
        connection = connect_to_read(path)
    except sqlite3.Error as error:
        raise LogUnusable(unusable_message(path, error)) from None
    connection.set_progress_handler(is_stopped, _OPERATIONS)
    faults: list[LogFault] = []
    try:
        faults += _row_faults(connection)
    except UNREADABLE as error:
        faults.append(LogFault.of_file("reading the file", "readable rows", str(error)))
    try:
        faults += _page_faults(connection, faults_max)
    finally:
        connection.close()
    return [] if is_stopped() else faults[:faults_max]


def _row_faults(connection: sqlite3.Connection) -> Iterator[LogFault]:
    """Rows that no reader of this project shows, but other readers of the file do; and other migrations."""
    query = "select sequence from assignments where sequence < 1 order by sequence limit 1"
    for [sequence] in connection.execute(query):
        yield LogFault.of_file("a row before the first", "sequences from 1", sequence, sequence=sequence)
    query = """
        select sequence, note from checkpoints
        where typeof(note) <> 'text' -- below: the note's second line
            or cast(substr(note, instr(note, char(10)) + 1) as integer) is not sequence
        limit 1
    """
    for sequence, note in connection.execute(query):
        if isinstance(note, str):
            what, expected = f"the size in the note of checkpoint {sequence}", sequence
        else:
            what, expected = f"the note of checkpoint {sequence}", "text"
        yield LogFault.of_file(what, expected, note, sequence=sequence)
    query = """
        select group_concat(quote(migration_set) || ' ' || quote(name), ', ') -- quote: a null has a text, too
        from (select migration_set, name from _sqlite_migrations order by id limit 100)
    """
    [found] = connection.execute(query).fetchone()
    if found != _MIGRATIONS:
        yield LogFault.of_file("the migrations in table _sqlite_migrations", _MIGRATIONS, found)


_MIGRATIONS = ", ".join(f"'mostao' '{name}'" for name in MIGRATIONS)


def _page_faults(connection: sqlite3.Connection, faults_max: int) -> Iterator[LogFault]:
    """What SQLite finds: damaged pages, missing and wrong index entries, values that a column does not permit."""
    found = _integrity_check(connection, faults_max)
    if not found:
        return
    for table in (defined.name for defined in DEFINED if defined.type == "table"):  # the messages lack the table's name
        for message in _integrity_check(connection, table):
            yield LogFault.of_file(f"integrity_check of table {table} and its indexes", "ok", message)
            found.pop(message, None)
    for message in found:
        yield LogFault.of_file("integrity_check", "ok", message)


def _integrity_check(connection: sqlite3.Connection, argument: str | int) -> dict[str, None]:
    """The messages of SQLite's check of the file, or of one table, in order."""
    try:
        rows = connection.execute(f"pragma integrity_check({argument})").fetchall()
    except UNREADABLE as error:
        rows = [(str(error),)]
    lines = (line for [text] in rows for line in str(text).splitlines())
    return dict.fromkeys(line for line in lines if line != "ok" and not line.startswith("***"))
