"""The depth limit of JSON: the same on every machine, and cheap to check on any data."""

import time
from contextlib import suppress

import pytest

from actors.ans104.item import DATA_BYTES_MAX
from actors.evidence.proofs import ProofInvalid, read_proof
from actors.protocol.canonical_json import DEPTH_MAX, check_depth, decode

AT_LIMIT = "[" * DEPTH_MAX + "]" * DEPTH_MAX


@pytest.mark.parametrize("recursion_limit", [1_000, 100_000], indirect=True)
@pytest.mark.usefixtures("recursion_limit")
def test_json_has_one_depth_limit_for_any_recursion_limit() -> None:
    assert decode(AT_LIMIT.encode())
    for deep in (f"[{AT_LIMIT}]", "[" * 100_000, '{"a":' * 600 + "1" + "}" * 600, '"' + "{" * 600, '"\\"' + "[" * 600):
        with pytest.raises(ValueError, match="the data is JSON nested deeper than 512"):
            decode(deep.encode())
    with pytest.raises(ProofInvalid, match="nested deeper than 512"):
        read_proof(b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}")


def test_brackets_in_strings_do_not_nest() -> None:
    texts = ('"' + "[" * 600 + '"', '["' + '\\"[' * 600 + '"]', "[" + "[],{}," * 600 + "1]", '{"' + "{" * 600 + '":1}')
    for text in texts:
        assert decode(text.encode())


@pytest.mark.parametrize("part", ['\\"', "\\\\", "\\", '"', '""', "[", "[]", '"[",', '"\\'])
def test_the_depth_of_hostile_data_is_found_in_time_proportional_to_its_length(part: str) -> None:
    data = b'"' + part.encode() * (DATA_BYTES_MAX // len(part)) + b"[" * 600
    took_s = []
    for _ in range(3):
        started = time.process_time()
        with suppress(ValueError):
            check_depth(data)
        took_s.append(time.process_time() - started)
    assert min(took_s) < 1  # a search whose time grows with the square of the length takes minutes
