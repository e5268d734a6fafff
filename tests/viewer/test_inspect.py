"""One cell of a live source, read for the inspector: no Qt."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from aetheria.motor import Aetheria_Motor
from tests.small_laws import small_law
from tests.viewer.fakes import live
from viewer.live import LiveSource
from viewer.model import Cell


@pytest.fixture
def source() -> Iterator[LiveSource]:
    cells = torch.randn(2, 4, 12, 16, generator=torch.Generator().manual_seed(3))
    motor = Aetheria_Motor(small_law("MLP"), (12, 16), 2, "cpu", {"plan": "eager"}, initial=cells, batch=2)
    source = live(motor)
    yield source
    source.close()


def read_from(source: LiveSource, places: list[tuple[int, int, int]]) -> list[Cell]:
    """Asks for all places while the worker is busy, then for what came of it."""
    read: list[Cell] = []
    asked, done = threading.Event(), threading.Event()
    source.do(asked.wait)
    for y, x, universe in places:
        source.inspect(y, x, universe, read.append)
    source.do(done.set)
    asked.set()
    assert done.wait(20)
    source.settle()
    return read


def test_a_cell_is_read_with_all_its_channels_and_the_field_in_sight(source: LiveSource) -> None:
    (cell,) = read_from(source, [(5, 11, 1)])
    expected = source.motor.cells[1, :, 5, 11].double().numpy()
    assert np.array_equal(cell.channels, expected)
    assert (cell.step, cell.y, cell.x, cell.universe, cell.d_state) == (0, 5, 11, 1, 2)
    assert cell.fields["density"] == pytest.approx((expected**2).sum(), rel=1e-6)


def test_of_many_cells_asked_for_at_once_only_the_last_is_read(source: LiveSource) -> None:
    (cell,) = read_from(source, [(0, x, 0) for x in range(16)])
    assert cell.x == 15
