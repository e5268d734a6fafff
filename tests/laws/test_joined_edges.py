"""Laws on surfaces of joined edges, against tori that cover them; conservation on closed surfaces; edges that do not fit."""

from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria import (
    FHP,
    HPP,
    Q2R,
    SIR,
    Aetheria_Motor,
    ContactProcess,
    Cyclic,
    ForestFire,
    GreenbergHastings,
    Ising,
    LangtonsAnt,
    Margolus,
    Sandpile,
    SecondOrder,
)
from aetheria.core.errors import AetheriaError
from aetheria.laws.base import Law

CLOSED = ("periodic", "periodic-x+3", "periodic-y-2", "klein-x", "klein-y", "klein-x+1", "klein-y+1", "cross-surface", "sphere")
SIDE = 12


def cells_of(law: Law, height: int = SIDE, seed: int = 3) -> Tensor:
    return law.random_cells((height, SIDE), torch.Generator().manual_seed(seed))[None]


def one_source(law: Law) -> Tensor:
    """A cell at the upper edge from which a fire or an infection spreads, or a wave of particles."""
    cells = torch.full((1, 1, SIDE, SIDE), float(isinstance(law, ForestFire)))
    cells[0, 0, 0, 1] = 2.0 if isinstance(law, ForestFire) else 1.0
    return cells


def stepped(law: Law, cells: Tensor, steps: int = 9) -> Tensor:
    motor = Aetheria_Motor(law, cells.shape[2:], law.channels, seed=5)
    motor.set_cells(cells)
    motor.step(steps)
    return motor.cells.clone()


MOVERS: dict[str, Any] = {
    "Cyclic": lambda **edges: Cyclic(5, radius=2, threshold=2, **edges),
    "GreenbergHastings": lambda **edges: GreenbergHastings(5, radius=2, neighbourhood="circular", **edges),
    "SIR": lambda **edges: SIR(1.0, 0.0, radius=2, neighbourhood="cross", **edges),
    "ForestFire": lambda **edges: ForestFire(0.0, 0.0, **edges),
    "ContactProcess": lambda **edges: ContactProcess(1e12, dt=1e-10, **edges),
    "Sandpile": lambda **edges: Sandpile(**edges),
    "SecondOrder": lambda **edges: SecondOrder("B3/S23", **edges),
    "Q2R": lambda **edges: Q2R(**edges),
    "HPP": lambda **edges: HPP(**edges),
    "Margolus": lambda **edges: Margolus("tron", **edges),
    "LangtonsAnt": lambda **edges: LangtonsAnt("RLLR", **edges),
}

SPREADING = ("SIR", "ForestFire", "ContactProcess", "Margolus")  # of which random cells are soon at rest


@pytest.mark.parametrize("law", MOVERS)
@pytest.mark.parametrize(("boundary", "copies"), [("periodic-x+4", 3), ("periodic-x-6", 2)])
def test_a_shifted_torus_is_covered_by_a_taller_plain_one(law: str, boundary: str, copies: int) -> None:
    make, shift = MOVERS[law], int(boundary[-2:])
    cells = one_source(make()) if law in SPREADING else cells_of(make())
    cover = torch.cat([cells.roll(-shift * copy, -1) for copy in range(copies)], -2)
    after = stepped(make(boundary="periodic"), cover, 5)[..., :SIDE, :]
    torch.testing.assert_close(stepped(make(boundary=boundary), cells, 5), after, rtol=0, atol=0)
    assert not torch.equal(after, stepped(make(boundary="periodic"), cells, 5))


MIRRORED = [
    law for law in MOVERS if law not in ("Margolus", "LangtonsAnt", "Q2R")
]  # chiral, or of colours that it brings together


@pytest.mark.parametrize("law", MIRRORED)
def test_a_klein_bottle_is_covered_by_a_torus_with_its_mirror_image(law: str) -> None:
    make = MOVERS[law]
    cells = cells_of(make())
    mirrored = cells.flip(-1)
    if law == "HPP":  # those travelling west travel east in the mirror
        state = mirrored.to(torch.int32)
        mirrored = (state & 10 | (state & 1) << 2 | (state & 4) >> 2).to(cells.dtype)
    after = stepped(make(boundary="periodic"), torch.cat((cells, mirrored), -2))
    torch.testing.assert_close(stepped(make(boundary="klein-x"), cells), after[..., :SIDE, :], rtol=0, atol=0)


@pytest.mark.parametrize("boundary", CLOSED)
def test_grains_and_particles_are_kept_on_closed_surfaces(boundary: str) -> None:
    for law in (Sandpile(boundary=boundary), HPP(boundary=boundary)):
        motor = Aetheria_Motor(law, (SIDE, SIDE), 1, batch=2, seed=1)
        before = motor.read("mass")
        motor.step(50)
        torch.testing.assert_close(motor.read("mass"), before, rtol=0, atol=0)


@pytest.mark.parametrize("boundary", CLOSED)
def test_a_gas_runs_back_on_closed_surfaces(boundary: str) -> None:
    motor = Aetheria_Motor(HPP(boundary=boundary), (SIDE, SIDE), 1)
    first = motor.cells.clone()
    motor.step(40)
    assert not torch.equal(motor.cells, first)
    motor.reverse(40)
    assert torch.equal(motor.cells, first)


def test_a_particle_turns_where_it_crosses_the_edges_of_a_sphere() -> None:
    motor = Aetheria_Motor(HPP(boundary="sphere"), (SIDE, SIDE), 1)
    cells = torch.zeros(1, 1, SIDE, SIDE)
    cells[0, 0, 0, 4] = 2  # north over the top edge: in from the left, travelling east
    cells[0, 0, SIDE - 1, 7] = 8  # south over the bottom edge: in from the right, travelling west
    motor.set_cells(cells)
    motor.step(1)
    assert motor.cells.nonzero().tolist() == [[0, 0, 4, 0], [0, 0, 7, SIDE - 1]]
    assert [motor.cells[0, 0, 4, 0].item(), motor.cells[0, 0, 7, -1].item()] == [4, 1]
    motor.step(1)
    assert motor.cells.nonzero().tolist() == [[0, 0, 4, 1], [0, 0, 7, SIDE - 2]]


def test_an_ant_that_walks_straight_comes_back_on_a_sphere() -> None:
    law = LangtonsAnt("N", boundary="sphere")
    cells = torch.zeros(1, 1, SIDE, SIDE)
    cells[0, 0, 0, 4] = law.seed_cell()
    assert torch.equal(stepped(law, cells, 2 * SIDE), cells)  # a row and a column make a loop
    assert not torch.equal(stepped(law, cells, SIDE), cells)


@pytest.mark.parametrize(
    ("boundary", "grid"),
    [("periodic-x+2", (8, 8)), ("periodic-y-4", (8, 10)), ("klein-x", (9, 8)), ("klein-y", (8, 9)), ("cross-surface", (8, 9))],
)
def test_energy_is_kept_where_the_colours_alternate_around_a_surface(boundary: str, grid: tuple[int, int]) -> None:
    motor = Aetheria_Motor(Q2R(boundary=boundary), grid, 1, batch=2, seed=4)
    energy, first = motor.read("spin_energy"), motor.cells.clone()
    motor.step(100)
    torch.testing.assert_close(motor.read("spin_energy"), energy, rtol=0, atol=0)
    motor.reverse(100)
    assert torch.equal(motor.cells, first)


@pytest.mark.parametrize(
    ("boundary", "grid"), [("periodic-x+3", (8, 8)), ("klein-x", (8, 8)), ("cross-surface", (8, 8)), ("sphere", (8, 8))]
)
@pytest.mark.parametrize("law", [Q2R, Ising])
def test_edges_that_join_one_colour_are_refused(law: Any, boundary: str, grid: tuple[int, int]) -> None:
    with pytest.raises(AetheriaError, match=f'boundary "{boundary.replace("+", ".")}" joins cells of one colour'):
        Aetheria_Motor(law(boundary=boundary), grid, 1)


@pytest.mark.parametrize("boundary", ["periodic-x+3", "periodic-y-2"])
def test_momentum_is_kept_on_a_shifted_torus_of_triangles(boundary: str) -> None:
    motor = Aetheria_Motor(FHP(boundary=boundary), (SIDE, SIDE), 1, batch=2, seed=1)
    names = ("mass", "momentum_x", "momentum_y")
    before = [motor.read(name) for name in names]
    first = motor.cells.clone()
    motor.step(50)
    assert not torch.equal(motor.cells, first)
    for name, value in zip(names, before, strict=True):
        torch.testing.assert_close(motor.read(name), value, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rule", ["sand", "dla"])
def test_blocks_that_draw_keep_their_cells_on_a_shifted_torus(rule: str) -> None:
    law = Margolus(rule, boundary="periodic-x+4")
    cells = cells_of(law)
    after = stepped(law, cells, 31)
    assert not torch.equal(after, cells)
    if rule == "sand":
        assert torch.equal(after.flatten().sort().values, cells.flatten().sort().values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FHP(boundary="periodic-y+3"), r"\[law\.fhp\] boundary: .* expected one of .*periodic-y\+2 or a multiple of 2"),
        (lambda: FHP(boundary="klein-x"), "rows of a triangular lattice"),
        (lambda: Margolus("tron", boundary="sphere"), "a block would be cut or mirrored"),
        (lambda: Margolus("tron", boundary="periodic-x+1"), r"\[law\.margolus\] boundary"),
        (lambda: Sandpile(boundary="reflect"), r"\[law\.sandpile\] boundary: .reflect. given; expected one of periodic, zero"),
        (lambda: HPP(boundary="reflect"), r"\[law\.hpp\] boundary"),
        (lambda: Cyclic(boundary="klein"), r"\[law\.cyclic\] boundary"),
    ],
)
def test_edges_that_a_law_cannot_have_are_refused(make: Any, message: str) -> None:
    with pytest.raises(AetheriaError, match=message):
        make()


@pytest.mark.parametrize("boundary", ["reflect", "klein-y", "sphere"])
def test_a_radius_beyond_the_grid_is_refused(boundary: str) -> None:
    with pytest.raises(AetheriaError, match="expected 6 or more" if boundary == "reflect" else "expected 5 or more"):
        Aetheria_Motor(Cyclic(5, radius=5, boundary=boundary), (4, 4), 1)


def test_joined_edges_are_those_of_two_axes() -> None:
    with pytest.raises(AetheriaError, match="joins the edges of a grid with 2 axes"):
        Aetheria_Motor(Sandpile(boundary="klein-x"), (4, 4, 4), 1)
