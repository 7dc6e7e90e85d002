"""What every test can ask for."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("default")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's log lies."""
    return tmp_path / "world.db"
