"""Fuzzes one decoder. It is a process of its own because libFuzzer exits the process that it runs in."""

import sys

import atheris

with atheris.instrument_imports(include=["actors", "eventstore"]):
    from simulations.benchmarks.decoders import DECODERS

if __name__ == "__main__":
    decoder = DECODERS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, decoder.passes)
    atheris.Fuzz()
