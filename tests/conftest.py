"""What every test can ask for."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("default")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: tests that run a node in a process of its own, and browsers, leave one idle."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's log lies."""
    return tmp_path / "world.db"


@pytest.fixture
def recursion_limit(request: pytest.FixtureRequest) -> Iterator[int]:
    """Sets the interpreter's recursion limit, which a library may raise when it is imported, as py_ecc does."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(request.param)
    yield request.param
    sys.setrecursionlimit(before)
