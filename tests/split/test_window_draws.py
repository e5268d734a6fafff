"""Parts of initial cells, made by themselves, are those of the whole."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aetheria.laws import LAWS
from aetheria.laws.base import Law
from aetheria.motor import window_draws
from aetheria.motor.initial import Initial, make_initial
from aetheria.motor.window_draws import WindowDraws
from aetheria.split.tiles import Tile, Tiling
from tests.small_laws import small_law
from tests.split.equality import SIDES

GRIDS = [(33,), (12, 18), (6, 7, 9)]


def tiles(grid: tuple[int, ...]) -> list[Tile]:
    """With margins that go around the torus, one of them twice over the same cells."""
    split = {1: (2,), 2: (2, 2), 3: (2, 1, 2)}[len(grid)]
    tiling = Tiling(grid, split, (1,) * len(grid), (min(grid) // 2 if len(grid) < 3 else 3,) * len(grid), periodic=True)
    return [tiling.tile(coordinate) for coordinate in product(*map(range, split))]


def drawn(kind: str, sides: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    match kind:
        case "rand":
            return torch.rand(sides, generator=generator)
        case "randn":
            return torch.randn(1, 3, *sides, generator=generator)
        case _:
            return torch.randint(5, (2, *sides), generator=generator)


@pytest.mark.parametrize("kind", ["rand", "randn", "randint"])
@pytest.mark.parametrize("slab", [16, 48, 1 << 20])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_window_draws_what_the_whole_grid_draws(
    monkeypatch: pytest.MonkeyPatch, grid: tuple[int, ...], slab: int, kind: str
) -> None:
    monkeypatch.setattr(window_draws, "SLAB", slab)
    for tile in tiles(grid):
        one, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
        whole = drawn(kind, grid, one)
        with WindowDraws(tile):
            window = drawn(kind, tile.window, other)
        assert torch.equal(tile.cut(whole), window)
        assert torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=other))


def laws() -> list[tuple[str, int]]:
    return [(name, rank) for name, kind in LAWS.items() for rank in kind.ranks]


@pytest.mark.parametrize(("name", "rank"), laws(), ids=str)
def test_parts_of_a_laws_initial_cells_are_those_of_the_whole(name: str, rank: int) -> None:
    law = small_law(name, rank)
    assert isinstance(law, Law)
    grid = tuple(-(-side // law.divisor) * law.divisor for side in SIDES[rank])
    shape = (2, law.channels, *grid)
    for kind in ("noise", "seed", *(["random_phase"] if law.d_state else [])):
        whole = make_initial(kind, law, shape, 5)
        for tile in tiles(grid)[1:3]:
            assert torch.equal(make_initial(kind, law, shape, 5, tile), tile.cut(whole))


def test_laws_make_parts_without_the_rest_unless_they_say_otherwise() -> None:
    made = {name for name, kind in LAWS.items() if small_law(name, kind.ranks[0]).made_by_parts}
    assert {"Life", "Elementary", "Generations", "SecondOrder", "GrowingNCA", "NeuralCA", "LogicGates"} <= made
    assert made.isdisjoint({"SIR", "Lenia", "GrayScott", "LangtonsAnt", "QuantumWalk"})  # by a least value, patches, or a norm
    assert not small_law("MLP", normalise="grid").made_by_parts
    assert small_law("MLP", normalise="cell").made_by_parts


@pytest.mark.parametrize("at", [None, [3, 5], [9, 14]])
def test_a_pattern_is_placed_across_tiles(tmp_path: Path, at: Any) -> None:
    np.save(path := tmp_path / "p.npy", np.arange(1, 43).reshape(6, 7) % 2)
    initial = Initial(kind="npy", path=str(path), at=at)
    law, grid = small_law("Life"), (12, 18)
    assert isinstance(law, Law)
    whole = make_initial(initial, law, (1, 1, *grid), 0)
    assert whole.sum() == 21
    for tile in tiles(grid):
        assert torch.equal(make_initial(initial, law, (1, 1, *grid), 0, tile), tile.cut(whole))
