"""The device's memory: kept by the C library where it can."""

import ctypes
from types import SimpleNamespace

import pytest

from aetheria.core.device import keep_freed_memory


def test_freed_memory_is_kept_where_the_c_library_can_and_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    glibc = SimpleNamespace(mallopt=lambda *setting: asked.append(setting))
    for library in (glibc, SimpleNamespace()):
        monkeypatch.setattr(ctypes, "CDLL", lambda _, library=library: library)
        keep_freed_memory.cache_clear()
        keep_freed_memory()
        keep_freed_memory()
    assert asked == [(-1, 2**31 - 1), (-4, 0)]
