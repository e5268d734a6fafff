"""Tiles, splits, traffic and sums of a split grid: what needs no second process."""

from collections.abc import Iterator
from itertools import product
from math import prod
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from aetheria import Aetheria_Motor, Life
from aetheria.core.errors import ConfigError
from aetheria.laws import GrowingNCA
from aetheria.laws.exact_sums import SquareSum, added, total_of
from aetheria.laws.hash_noise import Place, hash_words
from aetheria.split.cost import Link, exchange_traffic, step_seconds
from aetheria.split.layout import tiling_for, why_not
from aetheria.split.mesh import Mesh, check_split, read_split
from aetheria.split.tiles import Tile, Tiling
from aetheria.stepping.cpu.local_network import FusedOnCpu
from aetheria.stepping.plan import make_call, make_step
from benchmarks import split
from tests.small_laws import small_law


def tiles(tiling: Tiling) -> Iterator[Tile]:
    for coordinate in product(*map(range, tiling.split)):
        yield tiling.tile(coordinate)


@pytest.mark.parametrize(
    "tiling",
    [
        Tiling((17,), (3,), (1,), (2,), periodic=True),
        Tiling((22, 30), (3, 2), (2, 2), (4, 6), periodic=True),
        Tiling((21, 100), (2, 3), (1, 8), (3, 16), periodic=False),
        Tiling((9, 8, 12), (2, 1, 2), (1, 1, 1), (2, 2, 2), periodic=True),
    ],
    ids=str,
)
def test_tiles_cover_a_grid_once_and_their_windows_hold_the_neighbours(tiling: Tiling) -> None:
    whole = torch.arange(prod(tiling.grid)).view(1, 1, *tiling.grid)
    owned = torch.zeros_like(whole)
    for tile in tiles(tiling):
        window = tile.cut(whole)
        assert tuple(window.shape[2:]) == tile.window
        assert torch.equal(tile.inner(window), tile.part(whole))
        assert all(start % unit == 0 for start, unit in zip(tile.start, tiling.align, strict=True))
        tile.part(owned).add_(1)
        for at in product(*(range(0, side, 3) for side in tile.window)):
            there = [(n + off) % side for n, off, side in zip(at, tile.place.offset, tiling.grid, strict=True)]
            assert window[0, 0][at] == whole[0, 0][tuple(there)]
    assert owned.eq(1).all()


def test_a_mesh_of_other_processes_than_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 4)
    given: Any = SimpleNamespace(mesh=torch.arange(2).view(2, 1), device_type="cpu")
    with pytest.raises(ConfigError, match="mesh: 2 x 1 processes given; there are 4, and all of them must take part"):
        Mesh.of(given, 2)


def test_a_tile_in_words_begins_where_the_tile_does() -> None:
    tile = Tiling((20, 300), (2, 2), (1, 64), (3, 64), periodic=False).tile((1, 1))
    assert (tile.start, tile.stop, tile.window) == ((10, 128), (20, 300), (13, 236))
    assert tile.scaled((1, 64)) == Tile((10, 2), (20, 5), (3, 1), (0, 0), (20, 5))


def test_a_tile_narrower_than_its_margin_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"along width a tile would have 6 cells, fewer than its margin of 7; use fewer"):
        Tiling((40, 20), (1, 3), (1, 1), (7, 7), periodic=True)


def test_edges_lie_at_multiples_of_a_word_where_the_grid_has_as_many() -> None:
    assert tiling_for(Life(), (40, 256), (1, 2), 5).align == (1, 64)
    assert tiling_for(Life(), (40, 250), (1, 2), 5).align == (1, 1)  # a torus of whole words alone
    assert tiling_for(Life(boundary="zero"), (40, 250), (1, 2), 5).align == (1, 64)
    assert tiling_for(Life(), (40, 256), (2, 1), 5).align == (1, 1)  # rows are not cut
    assert tiling_for(small_law("Ising"), (40, 40), (2, 2), 3).margin == (4, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "split"), [("2x4", (2, 4)), ("8", (8,)), (" 2*2x3 ", (2, 2, 3))])
def test_a_split_is_read(text: str, split: tuple[int, ...]) -> None:
    assert read_split(text) == split


@pytest.mark.parametrize("text", ["", "2x", "0x2", "2x0", "a", "-1x2", "2x2x2x2", "2.5"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected the number of processes along each axis, as in 2x4"):
        read_split(text)


def test_a_split_of_other_processes_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(
        ConfigError, match=r"8 processes wanted, and this is one process; `torchrun --nproc-per-node 8 .* 2x4` starts"
    ):
        check_split((2, 4), 2)
    monkeypatch.setenv("WORLD_SIZE", "6")
    with pytest.raises(ConfigError, match="8 processes wanted, and torchrun started 6"):
        check_split((2, 4), 2)
    with pytest.raises(ConfigError, match="2 axes given; the grid has 1"):
        check_split((2, 3), 1)
    check_split((2, 3), 2)


def test_laws_without_a_radius_or_with_twisted_edges_are_refused_with_the_reason() -> None:
    assert "far-away cell" in why_not(small_law("MLP", norm="group"))  # type: ignore[arg-type]
    assert "twist" in why_not(Life(boundary="cross-surface"))
    assert why_not(small_law("MLP", normalise="grid")) == ""  # type: ignore[arg-type]


def test_noise_of_a_window_is_that_of_its_place_in_the_grid() -> None:
    seed, step = torch.tensor([[7, 0], [7, 1]]), torch.tensor([5, 5])
    whole = hash_words(seed, step, (6, 9))
    window = hash_words(seed, step, (5, 7), Place((-2, 4), (6, 9)))
    rows, columns = torch.arange(-2, 3) % 6, torch.arange(4, 11) % 9
    assert torch.equal(window, whole[:, rows[:, None], columns])


def test_the_fused_kernel_fires_by_the_place_of_a_window() -> None:
    law = small_law("GrowingNCA", fire_rate=0.5)
    assert isinstance(law, GrowingNCA)
    law.place = Place((-3, 11), (20, 13))  # wider than the grid: a torus of two tiles
    cells = torch.rand(2, 6, 12, 40, generator=torch.Generator().manual_seed(1))
    memory = law.initial_memory(cells, 3)
    with torch.inference_mode():
        eager = make_step(make_call(law, cells.device, "fp32"))(cells, *memory)
        fused = FusedOnCpu(law).advance((cells.clone(), *memory), 1)
    torch.testing.assert_close(fused[0], eager[0], rtol=1e-5, atol=1e-6)
    law.place = None
    with torch.inference_mode():
        assert not torch.allclose(make_step(make_call(law, cells.device, "fp32"))(cells, *memory)[0], eager[0], atol=1e-3)


def test_exact_sums_do_not_depend_on_the_order() -> None:
    cells = torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(0)) / 100
    total = SquareSum()(cells)
    torch.testing.assert_close(total, cells.double().square().sum((1, 2, 3)), rtol=1e-9, atol=0)
    assert torch.equal(SquareSum()(cells.flip(-1).transpose(2, 3)), total)
    parts: list[torch.Tensor] = []
    SquareSum(lambda c: c[..., :21, :], parts.append)(cells)

    def add(sums: torch.Tensor) -> None:
        sums += parts[0]

    assert torch.equal(SquareSum(lambda c: c[..., 21:, :], add)(cells), total)


@pytest.mark.parametrize("size", [1e-5, 1.0, 300.0, 1e5])
def test_exact_sums_are_near_the_sum_of_cells_of_any_size(size: float) -> None:
    cells = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(3)) * size
    error = (SquareSum()(cells) - cells.double().square().sum((1, 2, 3))).abs()
    assert error < max(1e-12 * 16384 * size**2, 2.0**-41 * 16384)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_exact_sums_that_do_not_fit_are_nan(value: float) -> None:
    cells = torch.zeros(2, 1, 4, 4)
    cells[1, 0, 2, 3] = value
    total = SquareSum()(cells)
    assert total[0] == 0
    assert total[1].isnan()


@pytest.mark.parametrize(("parts", "each", "fits"), [(64, 2.0**44, True), (8, 2.0**50, False), (1024, 2.0**50, False)])
def test_sums_of_many_processes_are_right_or_nan(parts: int, each: float, fits: bool) -> None:
    one = added(torch.full((1, 1, 1, 1), each**0.5))
    total = total_of(parts * one)
    assert float(total) == parts * each if fits else total.isnan()


def test_a_motor_with_exact_sums_keeps_the_norm_and_is_the_same_by_both_plans() -> None:
    def stepped(plan: str) -> torch.Tensor:
        cfg = {"plan": plan, "exact_sums": True, "planned_steps": 10**6}
        motor = Aetheria_Motor(small_law("MLP", normalise="grid"), (12, 16), None, "cpu", cfg, seed=2)
        motor.step(20)
        return motor.cells

    eager, fused = stepped("eager"), stepped("fused")
    torch.testing.assert_close(eager, fused, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(eager.double().square().sum(), torch.ones((), dtype=torch.float64), rtol=1e-5, atol=0)


def test_the_formula_counts_margins_once_with_their_corners() -> None:
    tile = Tiling((64, 96), (2, 2), (1, 1), (3, 3), periodic=True).tile((0, 0))
    assert exchange_traffic(tile) == (4, 2 * 3 * 48 + 2 * 3 * (32 + 6))
    assert exchange_traffic(Tiling((64, 96), (2, 1), (1, 1), (3, 3), periodic=False).tile((0, 0))) == (1, 3 * 96)


def test_wide_margins_cost_cells_and_spare_latency() -> None:
    slow = Link(1e-3, 1e9)
    costs = {}
    for every in (1, 8, 200):
        tile = Tiling((1024, 1024), (2, 1), (1, 1), (every, every), periodic=True).tile((0, 0))
        costs[every] = step_seconds(tile, every, 1e9, 4, slow)
    assert costs[8] < costs[1]
    assert costs[8] < costs[200]


def test_the_paper_efficiencies_lie_below_one_and_wide_margins_help_packed_life() -> None:
    life = next(law for law in split.PAPER if law[0].startswith("Life"))
    found = {every: split.efficiency(life, (16384, 16384), (8, 8), every) for every in (1, 8, 64, 4096)}
    assert 0 < found[1] < found[8] < found[64] < 1
    assert found[4096] == 0  # tiles of 2,048 cells
    assert sum(line.startswith("| ") for line in split.paper()) == 2 * (2 + len(split.PAPER))
