"""Grids of one, two and three axes through the motor: stepping, fields, slices, edits, initial cells; NumPy as the oracle."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aetheria.core.block import Block
from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError, LawError, StateError
from aetheria.laws import Law, Quantum, UNet
from aetheria.motor.edits import from_json, to_json
from aetheria.motor.initial import Initial
from aetheria.motor.motor import Aetheria_Motor

GRIDS = ((24,), (9, 14), (5, 6, 8))
RANKS = [pytest.param(grid, id=f"{len(grid)}-D") for grid in GRIDS]
Array = NDArray[np.float64]


class Diffusion(Law):
    """Heat on a torus of any rank, two channels."""

    channels = 2
    ranks = (1, 2, 3)
    radius = 1
    alive = (0, 0.5)
    fields = (*Law.fields, "population")

    def forward(self, cells: Tensor) -> Tensor:
        axes = range(2, cells.ndim)
        return cells + 0.1 * (sum(cells.roll(s, a) for s in (1, -1) for a in axes) - 2 * len(axes) * cells)


def diffused(cells: Array, steps: int) -> Array:
    for _ in range(steps):
        axes = range(2, cells.ndim)
        around = sum(np.roll(cells, s, a) for s in (1, -1) for a in axes)
        cells = cells + 0.1 * (around - 2 * len(axes) * cells)
    return cells


def motor_on(grid: tuple[int, ...], law: nn.Module | None = None, d_state: int = 2, **more: Any) -> Aetheria_Motor:
    plan = more.pop("plan", "eager")
    return Aetheria_Motor(law or Diffusion(), grid, d_state, "cpu", {"plan": plan, "precision": "fp64"}, seed=3, **more)


@pytest.mark.parametrize("grid", RANKS)
@pytest.mark.parametrize("plan", ["eager", "compiled"])
def test_a_law_of_any_rank_steps_as_numpy_does(grid: tuple[int, ...], plan: str) -> None:
    motor = motor_on(grid, batch=2, plan=plan)
    start = motor.cells.numpy()
    assert start.shape == (2, 2, *grid)
    motor.step(4)
    np.testing.assert_allclose(motor.cells.numpy(), diffused(start, 4), rtol=1e-12)
    assert motor.plan.name == plan


@pytest.mark.parametrize("grid", RANKS)
def test_fields_of_any_rank_are_those_of_their_formulas(grid: tuple[int, ...]) -> None:
    motor = motor_on(grid)
    cells = motor.cells.numpy()
    density = (cells**2).sum(1)
    axes = tuple(range(1, density.ndim))
    slopes = [(np.roll(density, -1, axis) - np.roll(density, 1, axis)) / 2 for axis in axes]
    change = diffused(cells, 1) - cells
    expected = {
        "density": density,
        "gradient": np.sqrt(sum(slope**2 for slope in slopes)),
        "energy": (change**2).sum(1),
        "total_energy": (change**2).sum(tuple(range(1, change.ndim))),
        "mass": cells.sum(tuple(range(1, cells.ndim))),
        "population": (cells[:, 0] > 0.5).sum(axes),
        "channel_1": cells[:, 1],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(motor.read(name).numpy(), values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("grid", RANKS)
def test_the_centre_of_mass_is_told_along_every_axis(grid: tuple[int, ...]) -> None:
    cells = torch.zeros(2, *grid)
    place = tuple(side - 2 for side in grid)
    cells[Block(place, (1,) * len(grid)).index] = 1
    motor = motor_on(grid, initial=cells)
    for axis, expected in zip(("z", "y", "x")[-len(grid) :], place, strict=True):
        assert float(motor.read(f"centre_{axis}")) == pytest.approx(expected)
    if len(grid) < 3:
        with pytest.raises(ConfigError, match='field "centre_z": no such field'):
            motor.read("centre_z")


@pytest.mark.parametrize("grid", RANKS)
def test_coherence_compares_a_cell_with_all_its_moore_neighbours(grid: tuple[int, ...]) -> None:
    law = Quantum(nn.Identity(), d_state=1, normalise="none")
    law.ranks = (1, 2, 3)
    motor = motor_on(grid, law, 1, initial="random_phase")
    re, im = motor.cells[0].numpy()
    psi = re + 1j * im
    unit = psi / np.abs(psi)
    shifts = [shift for shift in itertools.product((-1, 0, 1), repeat=len(grid)) if any(shift)]
    expected = np.mean([(unit * np.roll(unit, shift, range(len(grid))).conj()).real for shift in shifts], 0)
    np.testing.assert_allclose(motor.read("coherence")[0].numpy(), expected, rtol=1e-4, atol=1e-5)
    assert motor.psi.shape == (1, *grid, 1)


def area_means(values: Array, size: tuple[int, ...]) -> Array:
    """Means over equal areas, each cell weighted by the part of it that lies inside."""
    for axis, areas in enumerate(size, values.ndim - len(size)):
        cells = values.shape[axis]
        edges = np.arange(areas + 1) * cells / areas
        overlap = np.minimum(edges[1:, None], np.arange(cells) + 1) - np.maximum(edges[:-1, None], np.arange(cells))
        weights = overlap.clip(0) * areas / cells
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return values


@pytest.mark.parametrize(
    ("grid", "size"), [((24,), (6,)), ((24,), (7,)), ((9, 14), (4, 5)), ((5, 6, 8), (5, 3, 4)), ((5, 6, 8), (3, 4, 5))]
)
def test_areas_are_averaged_on_grids_of_any_rank(grid: tuple[int, ...], size: tuple[int, ...]) -> None:
    motor = motor_on(grid, batch=2)
    whole = motor.read("density").double().numpy()
    np.testing.assert_allclose(motor.read("density", size).numpy(), area_means(whole, size), rtol=1e-5)
    nearest = motor.look(motor.request(["density"], size, reduction="nearest"))["density"]
    index = [(np.arange(n) * side + side // 2) // n for side, n in zip(grid, size, strict=True)]
    np.testing.assert_array_equal(nearest, whole[np.ix_(np.arange(2), *index)].astype(np.float32))


VOLUME = (5, 6, 8)


@pytest.mark.parametrize("field", ["density", "gradient", "channel_1"])
def test_a_slice_is_that_part_of_the_volume(field: str) -> None:
    motor = motor_on(VOLUME, batch=2)
    whole = motor.read(field)
    for axis, number in (("z", 1), ("y", 2), ("x", 3)):
        assert torch.equal(motor.read(field, slice={axis: 2}), whole.select(number, 2))
        torch.testing.assert_close(motor.read(field, slice={axis: "mean"}), whole.mean(number))
        assert torch.equal(motor.read(field, slice={axis: "max"}), whole.amax(number))
    assert torch.equal(motor.read(field, slice={"z": 1, "x": 4}), whole[:, 1, :, 4])
    torch.testing.assert_close(motor.read(field, slice={"z": "max", "y": "mean"}), whole.amax(1).mean(1))


def test_regions_and_sizes_count_in_the_axes_that_a_slice_leaves() -> None:
    motor = motor_on(VOLUME)
    whole = motor.read("density")
    block = Block((1, 2), (4, 6))
    shown = motor.read("density", slice={"z": 3}, region=block)
    assert torch.equal(shown, whole[:, 3, 1:5, 2:8])
    shown = motor.read("density", (2, 3), slice={"z": "mean"}, region=block)
    expected = area_means(whole.mean(1)[:, 1:5, 2:8].double().numpy(), (2, 3))
    np.testing.assert_allclose(shown.numpy(), expected, rtol=1e-5)
    request = motor.request(["density"], slice={"y": 0}, size=4)
    assert request.axes(3) == ("z", "x")
    assert request.shown_size(VOLUME) == (4, 4)
    assert motor.look(request)["density"].shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"slice": {"w": 0}}, 'slice: axis "w" given; the grid of 5 x 6 x 8 has z, y, x'),
        ({"slice": {"z": 5}}, 'slice: z = 5 given; expected 0 to 4, "mean" or "max"'),
        ({"slice": {"z": -1}}, "slice: z = -1 given"),
        ({"slice": {"z": "least"}}, "slice: z = 'least' given"),
        ({"slice": {"z": True}}, "slice: z = True given"),
        ({"slice": {"z": 0, "y": 0, "x": 0}}, "at least one must be left"),
        ({"size": (4, 4)}, r"size: \(4, 4\) given; expected a positive number of cells, or \(depth, height, width\)"),
        ({"size": (4, 4, 4), "slice": {"z": 0}}, r"size: \(4, 4, 4\) given"),
        ({"region": (0, 0, 2, 2)}, r"region: 2 x 2 cells at \(0, 0\) given; expected a part of the grid of 5 x 6 x 8"),
        ({"region": Block((0, 0), (7, 2)), "slice": {"z": 0}}, "expected a part of the grid of 6 x 8"),
    ],
)
def test_a_part_that_the_grid_has_not_is_refused_in_one_line(part: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        motor_on(VOLUME).read("density", **part)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("grid", RANKS)
def test_a_block_of_cells_is_read_and_replaced(grid: tuple[int, ...]) -> None:
    motor = motor_on(grid, batch=2)
    before = motor.cells
    corner, size = tuple(range(1, len(grid) + 1)), (2,) * len(grid)
    block = Block(corner, size)
    assert torch.equal(motor.cells_at(block), before[block.index])
    assert torch.equal(motor.cells_at(*corner, *size), before[block.index])
    motor.set_cells(torch.zeros(2, *size), at=corner, universe=1)
    after = before.clone()
    after[1][block.index] = 0
    assert torch.equal(motor.cells, after)
    edit = from_json(to_json(motor.edits[-1]))
    fresh = motor_on(grid, batch=2)
    edit.apply(fresh)
    assert torch.equal(fresh.cells, after)


@pytest.mark.parametrize("grid", RANKS)
def test_a_block_that_leaves_the_grid_or_has_other_axes_is_refused(grid: tuple[int, ...]) -> None:
    motor = motor_on(grid)
    with pytest.raises(StateError, match=r"cells: block of .*; the grid is"):
        motor.set_cells(torch.zeros(2, *(2,) * len(grid)), at=tuple(side - 1 for side in grid))
    with pytest.raises(StateError, match=f"has {len(grid)} axes"):
        motor.set_cells(torch.zeros(2, *(2,) * len(grid)), at=(0,) * (len(grid) + 1))
    with pytest.raises(StateError, match="cells: shape"):
        motor.set_cells(torch.zeros(2, 2, *grid, 2))


@pytest.mark.parametrize("grid", RANKS)
def test_the_state_goes_on_in_another_motor(grid: tuple[int, ...]) -> None:
    motor, other = motor_on(grid), motor_on(grid)
    motor.step(3)
    other.load_state_dict(motor.state_dict())
    other.step(2)
    motor.step(2)
    assert torch.equal(motor.cells, other.cells)


@pytest.mark.parametrize("grid", RANKS)
def test_a_seed_an_array_and_a_scale_are_placed_by_axis(grid: tuple[int, ...], tmp_path: Path) -> None:
    middle = tuple(side // 2 for side in grid)
    seed = motor_on(grid, initial="seed").cells[0, 0]
    assert [tuple(place) for place in torch.nonzero(seed).tolist()] == [middle]
    pattern = np.random.default_rng(0).random((2, *(3,) * len(grid)))
    np.save(tmp_path / "pattern.npy", pattern)
    at = [float(side // 2 + 1) for side in grid]
    placed = motor_on(grid, initial=Initial(kind="npy", path=str(tmp_path / "pattern.npy"), at=at)).cells[0]
    corner = tuple(int(n) - 1 for n in at)
    np.testing.assert_allclose(placed[Block(corner, (3,) * len(grid)).index].numpy(), pattern, rtol=1e-6)
    assert float(placed.sum()) == pytest.approx(pattern.sum(), rel=1e-6)
    scaled = motor_on(grid, initial=Initial(kind="seed", scale=2)).cells[0, 0]
    assert float(scaled.sum()) == 2 ** len(grid)


@pytest.mark.parametrize("grid", RANKS)
def test_initial_cells_with_other_axes_are_refused(grid: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[initial\] at: .* given; expected"):
        motor_on(grid, initial=Initial(kind="seed", at=[1.0] * (len(grid) % 3 + 1)))
    np.save(tmp_path / "wrong.npy", np.zeros((2,) * (len(grid) + 3)))
    with pytest.raises(FileUnreadableError, match="expected one real array"):
        motor_on(grid, initial=Initial(kind="npy", path=str(tmp_path / "wrong.npy")))
    with pytest.raises(StateError, match="leaves the grid of"):
        motor_on(grid, initial=Initial(kind="seed", at=[0.0] * len(grid), scale=3))


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ((8,), r"\[law.unet\] grid 8: 1 axis given; UNet steps grids of 2"),
        ((8, 8, 8), r"\[law.unet\] grid 8 x 8 x 8: 3 axes given; UNet steps grids of 2"),
    ],
)
def test_a_grid_of_a_rank_that_the_law_cannot_step_is_refused(grid: tuple[int, ...], words: str) -> None:
    with pytest.raises(LawError, match=words):
        motor_on(grid, UNet(1, 4), 1)


def test_a_grid_of_no_or_four_axes_is_refused() -> None:
    for grid in ((), (2, 2, 2, 2)):
        with pytest.raises(AetheriaError, match=r"size: .* given; expected"):
            motor_on(grid)
