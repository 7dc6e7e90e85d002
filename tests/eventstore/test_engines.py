"""Engines are found by the location of a log."""

import sys
from pathlib import Path
from types import ModuleType

import grimp
import pytest

from eventstore import LogUnusable, engines, open_log, read_log, upgrade_log
from eventstore.sqlite import engine as sqlite_engine
from eventstore.sqlite.file_format import FORMAT
from eventstore.sqlite.log import SqliteLog
from tests.eventstore.logs import append, assignments


@pytest.mark.parametrize("function", [open_log, read_log, upgrade_log, engines.engine_of])
def test_an_unknown_engine_is_refused_and_the_known_ones_are_named(function: object) -> None:
    with pytest.raises(LogUnusable) as unusable:
        function("postgres://host/log")  # type: ignore[operator]
    assert "no storage engine 'postgres'" in str(unusable.value)
    assert "postgres://host/log" in str(unusable.value)
    for name in engines.ENGINES:
        assert name in str(unusable.value)


@pytest.mark.parametrize("location", ["world.db", "/tmp/world.db", Path("world.db"), "a folder/wor:ld.db"])
def test_a_path_belongs_to_sqlite(location: str | Path) -> None:
    assert engines.engine_of(location) is sqlite_engine


def test_a_log_is_opened_read_and_upgraded_by_its_path(path: Path) -> None:
    log = open_log(path)
    assert isinstance(log, SqliteLog)
    batch = assignments(3)
    head = append(log, batch, expected=0)
    log.close()
    reader = read_log(str(path))
    assert list(reader.read()) == batch
    reader.close()
    assert upgrade_log(path) == engines.Upgraded(FORMAT, FORMAT, head)
    assert engines.engine_of(path).size_bytes(path) == path.stat().st_size


def test_an_engine_is_one_line_and_is_imported_when_a_log_of_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("another_engine")
    monkeypatch.setitem(engines.ENGINES, "another", "another_engine")
    with pytest.raises(ModuleNotFoundError):
        engines.engine_of("another://log")
    monkeypatch.setitem(sys.modules, "another_engine", module)
    assert engines.engine_of("another://log") is module


@pytest.mark.parametrize("name", engines.ENGINES)
def test_each_engine_has_every_function_of_the_protocol(name: str) -> None:
    engine = engines.engine_of(f"{name}://")
    functions = {function for function in vars(engines.Engine) if not function.startswith("_")}
    assert functions
    assert {function for function in functions if not callable(getattr(engine, function, None))} == set()


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("eventstore", "actors", cache_dir=None)


@pytest.mark.parametrize("name", engines.ENGINES)
def test_nothing_but_an_engine_imports_an_engine(name: str, imports: grimp.ImportGraph) -> None:
    packages = {module.rpartition(".")[0] for module in engines.ENGINES.values()}
    package = engines.ENGINES[name].rpartition(".")[0]
    modules = {package, *imports.find_descendants(package)}
    importers = {importer for module in modules for importer in imports.find_modules_that_directly_import(module)}
    assert {importer for importer in importers if ".".join(importer.split(".")[:2]) not in packages} == set()
