"""The machine's limits are measured for a moment only."""

import pytest

from aetheria.diagnostics import bench


@pytest.fixture(autouse=True)
def quick_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "COPY_BYTES", 1 << 16)
    monkeypatch.setattr(bench, "PRODUCT_SIDE", {"cpu": 16, "cuda": 16})
    monkeypatch.setattr(bench, "CEILING_S", 0.01)
