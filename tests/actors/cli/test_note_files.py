from pathlib import Path

import click
import pytest

from actors import Node
from actors.cli.note_files import newest_note
from actors.evidence.checkpoints import key_of, parse_note, sign
from eventstore import read_log
from tests.actors.people import EVE, NODE, still
from tests.sqlite_file import execute


async def test_a_stored_checkpoint_that_another_key_signed_too_is_not_passed_on(path: Path) -> None:
    async with Node.open(path, wallet=NODE, clock=still):
        pass
    log = read_log(path)
    [note] = log.checkpoints()
    assert newest_note(log, path, key_of(log)) == note
    added = sign(parse_note(note)[0], EVE).rpartition("\n\n")[2]
    execute(path, "update checkpoints set note = ?", [note + added])
    with pytest.raises(click.UsageError, match="another key under the log's name"):
        newest_note(log, path, key_of(log))
    log.close()
