import pytest

from tests.actors.processes.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
