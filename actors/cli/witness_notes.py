"""Fetches the checkpoints of a log that witnesses hold."""

import asyncio
from collections.abc import Sequence

import click

from actors.evidence.checkpoints import NoteInvalid, VerifierKey, key_of
from actors.evidence.cosignatures import cosignatures_of
from actors.http.witness.client import WitnessClient, WitnessUnavailable
from eventstore import LogFault, LogUnusable, read_log
from eventstore.engines import Location

HINT = "'--witness'"


def held_notes(path: Location, urls: Sequence[str], keys: Sequence[VerifierKey]) -> tuple[list[str], list[VerifierKey]]:
    """Fetch the newest checkpoint of a log from each witness.

    Args:
        path: the log.
        urls: of the witnesses.
        keys: verifier keys of the witnesses; without any, each witness is asked for its own.

    Returns:
        The note of each witness, cosigned by one of its keys; and the keys.

    Raises:
        BadParameter: a witness cannot be reached, or holds no checkpoint of this log.
    """
    try:
        log = read_log(path)
    except LogUnusable:  # the audit reports why
        return [], list(keys)
    try:
        origin = key_of(log).name
    except LogFault:  # the log does not begin as a log does; the audit reports it
        return [], list(keys)
    finally:
        log.close()
    return asyncio.run(_held_notes(path, origin, urls, keys))


async def _held_notes(
    path: Location, origin: str, urls: Sequence[str], keys: Sequence[VerifierKey]
) -> tuple[list[str], list[VerifierKey]]:
    notes, known = [], dict[VerifierKey, None]()
    for url in urls:
        client = WitnessClient(url, keys)
        try:
            notes.append(await _held_note(path, origin, client))
            known.update(dict.fromkeys(await client.keys()))
        except (WitnessUnavailable, NoteInvalid) as error:
            raise click.BadParameter(str(error), param_hint=HINT) from None
        finally:
            await client.close()
    return notes, list(known)


async def _held_note(path: Location, origin: str, client: WitnessClient) -> str:
    """The newest checkpoint of a log that a witness holds, with its valid cosignature."""
    note = await client.newest(origin)
    if note is None:
        raise click.BadParameter(
            f"the witness at {client.url} holds no checkpoint of {origin}: it does not know this log, or {path} was"
            " replaced by another log",
            param_hint=HINT,
        )
    if not cosignatures_of(note, await client.keys()):
        text = f"the witness at {client.url} sent a note without its cosignature"
        raise click.BadParameter(text, param_hint=HINT)
    return note
