"""Reports what SQLite does to its files: a layer over its default VFS (https://sqlite.org/vfs.html).

It wraps the library that Python's ``sqlite3`` uses, so everything that a node writes goes through it. Bytes and results
stay as they are, but recorded files are not really synced: a simulated disk decides what is durable.
"""

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path
from typing import Any, Protocol

_OK = 0
_RECORDED_FLAGS = 0x100 | 0x800 | 0x80000
"""SQLITE_OPEN_MAIN_DB, SQLITE_OPEN_MAIN_JOURNAL and SQLITE_OPEN_WAL: other files are temporary."""
_NAME = b"mostao-simulated-disk"


class Recorder(Protocol):
    """Is told what happens to files."""

    def opened(self, path: Path) -> None:
        """A file was opened, and perhaps created."""

    def written(self, path: Path, data: bytes, offset: int) -> None:
        """Bytes were written."""

    def truncated(self, path: Path, size: int) -> None:
        """A file was truncated."""

    def synced(self, path: Path) -> None:
        """A file was synced."""

    def deleted(self, path: Path) -> None:
        """A file was deleted."""


class VfsUnavailable(Exception):
    """Python's SQLite library cannot be wrapped."""


_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(Structure):
    """``sqlite3_io_methods``: the functions of an open file."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", _Close),
        ("xRead", c_void_p),
        ("xWrite", _Write),
        ("xTruncate", _Truncate),
        ("xSync", _Sync),
        *((f"other{number}", c_void_p) for number in range(13)),
    )


class _OpenFile(Structure):
    """``sqlite3_file``."""

    _fields_ = (("pMethods", POINTER(_Methods)),)


class _Vfs(Structure):
    """``sqlite3_vfs``."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", _Open),
        ("xDelete", _Delete),
        *((f"other{number}", c_void_p) for number in range(14)),
    )


@contextmanager
def recorded(log: Path, recorder: Recorder) -> Iterator[None]:
    """Report what connections opened in this block do to a log, to its snapshots, and to their journals.

    Connections may be used and closed after the block, and are then reported, too.

    Raises:
        VfsUnavailable: Python's ``sqlite3`` is linked in a way that hides the library.
    """
    library = _library()
    original = library.sqlite3_vfs_find(None)
    layer = _Layer(original, log.resolve(), recorder)
    _LAYERS.append(layer)
    library.sqlite3_vfs_register(ctypes.byref(layer.vfs), 1)
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(layer.vfs))
        library.sqlite3_vfs_register(original, 1)


_LAYERS: "list[_Layer]" = []
"""Keeps every layer in memory, because SQLite may still call its functions."""


class _Layer:
    """A VFS whose functions call those of another one, and report what they do."""

    def __init__(self, original: Any, log: Path, recorder: Recorder) -> None:
        self._original, self._log, self._recorder = original, log, recorder
        self._paths: dict[int, Path] = {}
        self._methods: dict[int, _Methods] = {}
        """Wrapped functions, by the address of the original ones."""
        self.vfs = _Vfs()
        ctypes.memmove(ctypes.byref(self.vfs), original, ctypes.sizeof(_Vfs))
        self.vfs.iVersion = min(self.vfs.iVersion, 2)  # version 3 adds functions that only SQLite's own tests call
        self.vfs.zName = _NAME
        self.vfs.pNext = None
        self.vfs.xOpen = _Open(self._open)
        self.vfs.xDelete = _Delete(self._delete)

    def _open(self, _: int, name: int | None, file: int, flags: int, out_flags: int | None) -> int:
        result: int = self._original.contents.xOpen(cast(self._original, c_void_p), name, file, flags, out_flags)
        if result == _OK and name and flags & _RECORDED_FLAGS:
            path = Path(ctypes.string_at(name).decode())
            if self._is_recorded(path):
                self._paths[file] = path
                opened = cast(file, POINTER(_OpenFile)).contents
                opened.pMethods = ctypes.pointer(self._wrapped(opened.pMethods))
                self._recorder.opened(path)
        return result

    def _delete(self, _: int, name: bytes, sync_folder: int) -> int:
        result: int = self._original.contents.xDelete(cast(self._original, c_void_p), name, sync_folder)
        path = Path(name.decode())
        if result == _OK and self._is_recorded(path):
            self._recorder.deleted(path)
        return result

    def _is_recorded(self, path: Path) -> bool:
        return path.parent == self._log.parent and path.name.startswith(self._log.name)

    def _wrapped(self, original: Any) -> _Methods:
        address = ctypes.addressof(original.contents)
        if address not in self._methods:
            self._methods[address] = self._wrap(original.contents)
        return self._methods[address]

    def _wrap(self, original: _Methods) -> _Methods:
        close, write, truncate = original.xClose, original.xWrite, original.xTruncate
        paths, recorder = self._paths, self._recorder

        def closed(file: int) -> int:
            paths.pop(file, None)
            return int(close(file))

        def written(file: int, data: int, size: int, offset: int) -> int:
            result = int(write(file, data, size, offset))
            if result == _OK:
                recorder.written(paths[file], ctypes.string_at(data, size), offset)
            return result

        def truncated(file: int, size: int) -> int:
            result = int(truncate(file, size))
            if result == _OK:
                recorder.truncated(paths[file], size)
            return result

        def synced(file: int, _: int) -> int:
            recorder.synced(paths[file])
            return _OK

        methods = _Methods()
        ctypes.memmove(ctypes.byref(methods), ctypes.byref(original), ctypes.sizeof(_Methods))
        methods.xClose, methods.xWrite = _Close(closed), _Write(written)
        methods.xTruncate, methods.xSync = _Truncate(truncated), _Sync(synced)
        return methods


def _library() -> Any:
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_register.argtypes = (c_void_p, c_int)
    except (AttributeError, OSError) as error:
        raise VfsUnavailable(
            f"faults of the storage need a Python whose sqlite3 module uses a shared SQLite library ({error})"
        ) from None
    return library
