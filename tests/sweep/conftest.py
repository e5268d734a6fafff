"""Tests of sweeps have a cache of runs of their own."""

from pathlib import Path

import pytest

from aetheria.runs import run_cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own cache"
    monkeypatch.setattr(run_cache, "_users_folder", lambda: folder)
    return folder
