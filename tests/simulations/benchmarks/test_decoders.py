"""Untrusted bytes: a short version of ``python -m simulations.benchmarks.fuzz``."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.benchmarks.decoders import DECODERS


@pytest.mark.parametrize("name", DECODERS)
def test_an_example_is_read(name: str) -> None:
    decoder = DECODERS[name]
    for example in decoder.examples:
        if example != b"[[[[1e309]]]]":
            decoder.read(example)


def mutations(examples: list[bytes]) -> st.SearchStrategy[bytes]:
    """An example with a part cut out, put in twice, replaced or added."""
    part = st.binary(max_size=12) | st.sampled_from([b"\xff" * 8, b"[" * 600, b'"', b"\\ud800", b"9" * 400, b"=\n\n"])

    def mutated(example: bytes, start: int, length: int, new: bytes) -> bytes:
        start %= len(example) + 1
        return example[:start] + new + example[start + length :]

    return st.builds(mutated, st.sampled_from(examples), st.integers(0, 4000), st.integers(0, 40), part)


@pytest.mark.parametrize("name", DECODERS)
def test_whatever_it_is_given_a_decoder_answers_or_refuses_it_with_an_error_of_its_own(name: str) -> None:
    decoder = DECODERS[name]

    @settings(max_examples=300)
    @given(raw=st.binary(max_size=300) | mutations(decoder.examples))
    def check(raw: bytes) -> None:
        decoder.passes(raw)

    check()
