"""Parts of initial cells, made by themselves, are those of the whole."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from aetheria.core.errors import StateError
from aetheria.laws import LAWS
from aetheria.laws.base import Law
from aetheria.laws.exact_sums import SquareSum
from aetheria.motor import window_draws
from aetheria.motor.initial import Initial, make_initial
from aetheria.motor.window_draws import WindowDraws
from aetheria.split.tiles import Tile, Tiling
from tests.small_laws import small_law
from tests.split.equality import SIDES
from tests.split.largest import Largest

SLAB_OF_TEST = 1 << 12
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
def test_parts_of_a_laws_initial_cells_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, name: str, rank: int) -> None:
    monkeypatch.setattr(window_draws, "SLAB", SLAB_OF_TEST)
    law = small_law(name, rank)
    assert isinstance(law, Law)
    law.square_sum = SquareSum() if law.sums_grid else None  # as `exact_sums` has it
    grid = tuple(-(-side // law.divisor) * law.divisor for side in SIDES[rank])
    shape = (2, law.channels, *grid)
    for kind in ("noise", "seed", *(["random_phase"] if law.d_state else [])):
        whole = make_initial(kind, law, shape, 5)
        for tile in tiles(grid)[1:3]:
            with Largest() as largest:
                part = make_initial(kind, law, shape, 5, tile)
            assert torch.equal(part, tile.cut(whole))
            drawn = getattr(law, "bits", 1)  # numbers for a cell of a lattice gas
            assert largest.numbers <= max(part.numel() * drawn, SLAB_OF_TEST)


@pytest.mark.parametrize("rule", ["bbm", "tron", "sand", "dla"])
def test_parts_of_a_margolus_soup_are_those_of_the_whole(rule: str) -> None:
    law, grid = small_law("Margolus", rule=rule), (24, 30)
    assert isinstance(law, Law)
    whole = make_initial("noise", law, (1, 1, *grid), 5)
    for tile in tiles(grid):
        assert torch.equal(make_initial("noise", law, (1, 1, *grid), 5, tile), tile.cut(whole))


def test_every_law_makes_parts_without_the_rest_and_an_own_one_only_if_it_says_so() -> None:
    assert [name for name, kind in LAWS.items() if not small_law(name, kind.ranks[0]).made_by_parts] == []

    class Own(type(small_law("Life"))):  # type: ignore[misc]
        def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
            cells = torch.rand(1, *grid, generator=generator)
            return (cells < cells.mean()).float()

    law, grid = Own(), (12, 18)
    assert not law.made_by_parts
    whole = make_initial("noise", law, (1, 1, *grid), 5)
    for tile in tiles(grid):
        assert torch.equal(make_initial("noise", law, (1, 1, *grid), 5, tile), tile.cut(whole))


@pytest.mark.parametrize("at", [None, [3, 5], [9, 14]])
def test_a_pattern_is_placed_across_tiles(tmp_path: Path, at: Any) -> None:
    np.save(path := tmp_path / "p.npy", np.arange(1, 43).reshape(6, 7) % 2)
    whole = placed(Initial(kind="npy", path=str(path), at=at), "Life", (12, 18))
    assert whole.sum() == 21


def placed(initial: Initial, name: str, grid: tuple[int, ...], batch: int = 1, **settings: Any) -> torch.Tensor:
    """The cells of the whole grid, which those that each process makes are compared with."""
    law = small_law(name, len(grid), **settings)
    assert isinstance(law, Law)
    law.square_sum = SquareSum() if law.sums_grid else None
    shape = (batch, law.channels, *grid)
    whole = make_initial(initial, law, shape, 0)
    for tile in tiles(grid):
        assert torch.equal(make_initial(initial, law, shape, 0, tile), tile.cut(whole))
    return whole


GLIDERS = "x = 9, y = 5, rule = B3/S23\nbo5bo$2bo3bobo$3o5bo2$9o!\n"
NODES = "[M2] (golly 3.3)\n#R B3/S23\n.*$..*$***$$$$$$\n4 1 0 1 1\n"


@pytest.mark.parametrize(
    ("name", "text", "live"), [("g.rle", GLIDERS, 18), ("g.cells", ".O\n..O\nOOO\n", 5), ("g.mc", NODES, 15)]
)
@pytest.mark.parametrize("scale", [1, 2])
def test_a_pattern_file_is_drawn_where_it_lies_in_a_window(tmp_path: Path, name: str, text: str, live: int, scale: int) -> None:
    (path := tmp_path / name).write_text(text)
    initial = Initial(kind="pattern", path=str(path), scale=scale)
    assert placed(initial, "Life", (32, 36)).sum() == live * scale**2
    assert placed(initial, "GrowingNCA", (32, 36)).count_nonzero() > 0  # that has channels around it
    assert placed(initial, "Ising", (32, 36)).count_nonzero() > 0  # whose rest is another state
    if name == "g.rle":
        assert placed(initial, "Elementary", (41,)).sum() == 9 * scale
        assert placed(initial, "Cyclic", (6, 32, 36)).count_nonzero() == live * scale**3


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f8", "<u2"])
@pytest.mark.parametrize("scale", [1.0, 1.5, 3.0, 0.6])
def test_parts_of_an_array_are_those_of_the_whole(tmp_path: Path, order: Any, kind: str, scale: float) -> None:
    random = np.random.default_rng(1)
    np.save(path := tmp_path / "a.npy", np.asarray(random.random((2, 8, 9, 7)) * 3, kind, order=order))
    grid = (27, 22)
    whole = placed(Initial(kind="npy", path=str(path), scale=scale), "NeuralCA", grid, 2, channels=8)
    assert whole.count_nonzero() > 100
    if scale != 1:  # torch's own interpolation, to its rounding
        cells = torch.from_numpy(np.load(path).astype(np.float32))
        size = [max(1, round(n * scale)) for n in (9, 7)]
        expected = torch.nn.functional.interpolate(cells, size=size, mode="bilinear", antialias=True)
        corner = [n // 2 - m // 2 for n, m in zip(grid, size, strict=True)]
        found = whole[:, :, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
        assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["MLP", "QuantumWalk"])
def test_an_array_is_normalised_by_all_of_it(tmp_path: Path, name: str) -> None:
    law = small_law(name, 2)
    assert isinstance(law, Law)
    np.save(path := tmp_path / "a.npy", np.random.default_rng(1).standard_normal((law.channels, 9, 7)).astype(np.float32))
    settings: dict[str, Any] = {"normalise": "grid"} if name == "MLP" else {}
    whole = placed(Initial(kind="npy", path=str(path)), name, (12, 18), **settings)
    assert float(whole.double().square().sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("grid", [(64,), (9, 10, 11)])
def test_parts_of_an_array_made_smaller_are_those_of_the_whole_on_one_and_three_axes(
    tmp_path: Path, grid: tuple[int, ...]
) -> None:
    cells = np.random.default_rng(1).random([2 * n for n in grid], np.float32)
    np.save(path := tmp_path / "a.npy", cells)
    whole = placed(Initial(kind="npy", path=str(path), scale=0.3), "CoupledMapLattice", grid)
    assert whole[whole > 0].mean() == pytest.approx(cells.mean(), abs=0.02)
    assert whole[whole > 0].std() < 0.7 * cells.std()  # means of neighbours, not single cells


@pytest.mark.parametrize("scale", [1.0, 2.0, 1.3, 0.5])
@pytest.mark.parametrize("name", ["GrowingNCA", "Lenia", "Life"])
def test_parts_of_a_picture_are_those_of_the_whole(tmp_path: Path, name: str, scale: float) -> None:
    pixels = np.random.default_rng(1).integers(150, 256, (10, 12, 4), np.uint8)
    Image.fromarray(pixels).save(path := tmp_path / "a.png")
    assert placed(Initial(kind="image", path=str(path), scale=scale), name, (30, 28)).count_nonzero() > 10


def test_an_array_that_is_refused_is_refused_in_each_window(tmp_path: Path) -> None:
    values = np.zeros((12, 18), np.float32)
    for wrong, said in ((2.5, "cells of 2.5 given; Life has the states 0 and 1"), (0.5, "cells of 0.5"), (np.nan, "holds NaN")):
        values[11, 17] = wrong
        np.save(path := tmp_path / "a.npy", values)
        law = small_law("Life")
        assert isinstance(law, Law)
        for tile in [None, *tiles((12, 18))]:
            with pytest.raises(StateError, match=said):
                make_initial(Initial(kind="npy", path=str(path)), law, (1, 1, 12, 18), 0, tile)
