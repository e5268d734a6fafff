"""The Triton kernels for whole states equal their laws bit for bit: blocks, rows, counts, trees, circles, second order.

Without a CUDA device Triton interprets the kernels on the CPU; with one it compiles them, and the same tests run on the device.
"""

import random
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria import Aetheria_Motor, law_from_rule
from aetheria.laws import Elementary, Generations, Law, Life, RuleTable, SecondOrder, build_law
from aetheria.laws.rules.block_table import table_text
from aetheria.laws.rules.range_weights import Neighbourhood
from aetheria.stepping import compiled, cuda_graph
from aetheria.stepping.cuda_graph import LENGTHS, Graphed
from aetheria.stepping.factories import first_plan
from aetheria.stepping.gpu import block_rule, neighbour_count, rule_tree, state_circle
from aetheria.stepping.gpu.block_rule import BlockRuleOnCuda, RowRuleOnCuda
from aetheria.stepping.gpu.circuit import circuit_of
from aetheria.stepping.gpu.neighbour_count import NeighbourCountOnCuda
from aetheria.stepping.gpu.rule_tree import RuleTreeOnCuda
from aetheria.stepping.gpu.state_circle import StateCircleOnCuda
from aetheria.stepping.gpu.weight_terms import terms_of
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda
from aetheria.stepping.packed_factories import ON_CUDA
from aetheria.stepping.plan_factory import StepProblem
from tests.stepping.interpreted import DEVICES, INTERPRETED, interpret_one

on_each_device = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles: the interpreter's time depends on their number, and seams and edges need several."""
    if INTERPRETED:
        monkeypatch.setattr(block_rule, "DEEP", 2)
        monkeypatch.setattr(neighbour_count, "SIDE", 16)


def soup(law: Law, batch: int, *grid: int) -> Tensor:
    """Cells in every state of a law."""
    assert law.states is not None
    states = torch.randint(0, law.states, (batch, law.channels, *grid), generator=torch.Generator().manual_seed(len(grid)))
    return states.float()


def stepped(law: Law, cells: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        cells = law(cells)
    return cells


def assert_steps_alike(plan: type[WholeStatesOnCuda], law: Law, cells: Tensor, device: str, steps: int = 1) -> None:
    assert plan.why_not(law) == ""
    expected = stepped(law, cells, steps)
    assert not torch.equal(expected, cells), "nothing moves"
    stepper = plan(law, cells.to(device))
    held = stepper.advance(stepper.pack((cells.to(device),)), steps)
    assert torch.equal(stepper.unpack(held)[0].cpu(), expected)


# -- blocks and rows ---------------------------------------------------------------------------------------------------


def some_map(seed: int) -> str:
    return table_text(random.Random(seed).getrandbits(512))


@on_each_device
@pytest.mark.parametrize(
    ("rule", "boundary", "batch", "grid"),
    [
        ("B2-a/S12", "periodic", 2, (5, 70)),
        (some_map(1), "zero", 1, (3, 64)),
        (some_map(2), "reflect", 1, (2, 130)),
        (some_map(3), "periodic", 1, (1, 5)),
        ("345/2/4", "zero", 1, (6, 65)),
        ("/2/3", "reflect", 2, (3, 63)),
        ("12/34/200", "periodic", 1, (4, 3)),
    ],
)
def test_a_rule_on_the_block_equals_the_law(rule: str, boundary: str, batch: int, grid: tuple[int, int], device: str) -> None:
    law = law_from_rule(rule, boundary=boundary)
    assert_steps_alike(BlockRuleOnCuda, law, soup(law, batch, *grid), device, 2)


@on_each_device
def test_blocks_cross_the_seams_of_tiles(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_rule, "BLOCK", 2)
    monkeypatch.setattr(block_rule, "COLUMNS", 1)
    law = Life(some_map(4))
    assert_steps_alike(BlockRuleOnCuda, law, soup(law, 1, 5, 129), device)


@on_each_device
@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_a_rule_on_a_row_equals_the_law(boundary: Any, device: str) -> None:
    for number, width in ((30, 200), (110, 3), (45, 64)):
        law = Elementary(number, boundary=boundary)
        assert_steps_alike(RowRuleOnCuda, law, soup(law, 2, width), device)


def test_a_circuit_gives_every_next_state_of_its_table() -> None:
    every = (1 << 512) - 1
    cells = [sum(1 << block for block in range(512) if block >> (8 - cell) & 1) for cell in range(9)]  # of all blocks at once
    for table in (0, every, Life().block_rule().table, *(random.Random(seed).getrandbits(512) for seed in range(5))):
        circuit, words = circuit_of(table), [0, every]
        for cell, dead, alive in circuit.choices:
            words.append(words[dead] & ~cells[cell] | words[alive] & cells[cell])
        assert words[circuit.result] == table
        assert len(circuit.choices) <= 140


def test_a_circuit_of_few_cells_is_small() -> None:
    """Of a rule on a row eight next states at most, whatever lies above and below."""
    table = sum((110 >> (block >> 3 & 7) & 1) << block for block in range(512))
    assert {cell for cell, _, _ in circuit_of(table).choices} == {3, 4, 5}
    assert len(circuit_of(table).choices) <= 7


@on_each_device
def test_packed_states_are_subtracted_modulo_their_number(device: str) -> None:
    for rule in ("B3/S23", "12/34/5"):
        law = law_from_rule(rule)
        one, other = soup(law, 2, 3, 70), soup(law, 2, 3, 70).flip(-1)
        plan = BlockRuleOnCuda(law, one.to(device))
        packed = [plan.pack((cells.to(device),))[0] for cells in (one, other)]
        (found,) = plan.unpack((plan.minus(*packed),))
        assert law.states is not None
        assert torch.equal(found.cpu(), (one - other) % law.states)


# -- decision trees ----------------------------------------------------------------------------------------------------


@on_each_device
@pytest.mark.parametrize(
    ("rule", "boundary", "batch", "grid"),
    [
        ("WireWorld", "periodic", 2, (5, 9)),
        ("JvN29", "klein-x", 1, (6, 8)),
        ("Langtons-Loops", "zero", 1, (1, 5)),
        ("WireWorld", "reflect", 1, (2, 7)),
        ("WireWorld", "sphere", 1, (5, 5)),
    ],
)
def test_a_rule_table_equals_the_law(rule: str, boundary: str, batch: int, grid: tuple[int, int], device: str) -> None:
    law = RuleTable(rule, boundary=boundary)
    assert_steps_alike(RuleTreeOnCuda, law, soup(law, batch, *grid), device)


# -- counts ------------------------------------------------------------------------------------------------------------


@on_each_device
@pytest.mark.parametrize(
    ("rule", "boundary", "batch", "grid"),
    [
        ("Bosco", "periodic", 2, (9, 20)),
        ("R7,C3,S20-50,B30-40,NC", "klein-x", 1, (16, 12)),
        ("R2,C4,S8-12,B9-10,NL", "zero", 1, (9, 11)),
        ("R2,C4,S5-9,B6,7,NW1000102320030300232010001", "reflect", 1, (6, 20)),
        ("R2,C3,S2-5,B6-9,NW0000011100010100111000000,012", "cross-surface", 1, (7, 9)),
        ("R1,C2,S3-8,B4,NW1a1202191", "zero", 1, (17, 3)),
        ("R9,C2,S60-170,B170-190", "periodic", 1, (5, 15)),
        ("R2,C2,S20-40,B25-35,NG", "periodic-x-2", 1, (5, 6)),
    ],
)
def test_a_rule_by_counts_equals_the_law(rule: str, boundary: str, batch: int, grid: tuple[int, int], device: str) -> None:
    law = law_from_rule(rule, boundary=boundary)
    assert_steps_alike(NeighbourCountOnCuda, law, soup(law, batch, *grid), device)


def test_terms_sum_up_to_the_weights_and_are_few() -> None:
    generator = np.random.default_rng(1)
    shapes = {letter: Neighbourhood(letter).weights(5) for letter in "MNC2BD+X*#HA3G"}
    for weights in (*shapes.values(), generator.integers(-9, 10, (11, 11)), np.zeros((3, 3), np.int64)):
        for middle in (0, 1, 7):
            weights = weights.copy()
            weights[len(weights) // 2, len(weights) // 2] = middle
            terms = terms_of(weights)
            total = np.einsum("py,px->yx", terms.down, terms.across)
            total[len(weights) // 2, len(weights) // 2] += terms.middle
            assert np.array_equal(total, weights)
    most = {"M": 1, "B": 2, "+": 2, "#": 2, "C": 4, "G": 1}
    for letter, count in most.items():
        shapes[letter][5, 5] *= letter == "G"  # of the others it does not count
        assert len(terms_of(shapes[letter]).down) == count


def test_counts_that_float16_does_not_hold_are_left_to_other_plans() -> None:
    plans = {reach: NeighbourCountOnCuda.why_not(law_from_rule(f"R{reach},C2,S1-3,B3,NG")) for reach in (40, 50)}
    assert plans[40] == ""
    assert plans[50] == "counts along a row up to 2601; the kernel has room for 2048"
    assert NeighbourCountOnCuda.why_not(law_from_rule("R150,C2,S1-3,B3")) == ""


# -- circles -----------------------------------------------------------------------------------------------------------


@on_each_device
@pytest.mark.parametrize(
    ("name", "settings", "grid"),
    [
        ("Cyclic", {"states": 5, "threshold": 1}, (5, 9)),
        ("Cyclic", {"states": 5, "threshold": 1, "boundary": "zero"}, (20,)),
        ("GreenbergHastings", {"states": 6, "radius": 2, "neighbourhood": "von_neumann", "boundary": "reflect"}, (4, 7)),
        ("Life3D", {"states": 4, "neighbours": 8, "rule": "B2-4/S2,3"}, (3, 4, 5)),
        ("Life3D", {"neighbours": 6, "rule": "B2/S1-3", "boundary": "zero"}, (2, 3, 4)),
    ],
)
def test_a_rule_in_a_circle_equals_the_law(name: str, settings: dict[str, Any], grid: tuple[int, ...], device: str) -> None:
    law: Any = build_law(name, **settings)
    assert_steps_alike(StateCircleOnCuda, law, soup(law, 2, *grid), device)


# -- tiles away from all edges, in which no boundary is asked for ------------------------------------------------------


@pytest.mark.skipif(not INTERPRETED, reason="with a GPU it is the runs below that have such tiles")
@pytest.mark.parametrize(
    ("plan", "law", "kernel", "rows", "columns"),
    [
        (RuleTreeOnCuda, RuleTable(), "tree_kernel.step_tree", 8, 16),
        (NeighbourCountOnCuda, law_from_rule("R2,C2,S6-9,B7-8,NN"), "count_kernel.step_counts", 16, 16),
        (StateCircleOnCuda, build_law("Cyclic", threshold=1), "circle_kernel.step_circle", 8, 16),
    ],
)
def test_a_tile_away_from_all_edges_equals_the_law(
    plan: type[WholeStatesOnCuda], law: Any, kernel: str, rows: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rule_tree, state_circle):
        monkeypatch.setattr(module, "COLUMNS", columns)
    cells = soup(law, 1, 3 * rows, 3 * columns)
    module_name, _, name = kernel.partition(".")
    interpret_one(import_module(f"aetheria.stepping.gpu.{module_name}"), name, monkeypatch, 4)  # the middle one of nine
    stepper = plan(law, cells)
    (before,) = stepper.pack((cells,))
    after = torch.full_like(before, 255)
    stepper.take(before, after)
    middle = (slice(rows, 2 * rows), slice(columns, 2 * columns))
    expected = law(cells)[0, 0]
    assert torch.equal(after[0][middle].float(), expected[middle])
    assert int((after != 255).sum()) == rows * columns


# -- in graphs, in a motor ---------------------------------------------------------------------------------------------


class Remembered:
    """Stands in for a CUDA graph: work on fixed buffers, which `replay` does again."""

    def __init__(self, work: Any) -> None:
        self.replay = work


@pytest.fixture
def like_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plans for CUDA on the CPU: interpreted, with graphs that call the work again."""

    def captured(self: Graphed, steps: int) -> Remembered:
        return Remembered(lambda: cuda_graph._copy(self._inner.advance(self._buffers, steps), self._buffers))

    monkeypatch.setattr(Graphed, "_warm_up", lambda _: None)
    monkeypatch.setattr(Graphed, "_captured", captured)
    monkeypatch.setattr(StepProblem, "on_cuda", True)
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)


LAWS: tuple[tuple[Any, tuple[int, ...], str], ...] = (
    (Life("B2-a/S12"), (9, 70), "3x3 block"),
    (Life("B3/S23", boundary="zero"), (9, 70), "several steps in a pass"),
    (Generations(), (9, 70), "3x3 block"),
    (Elementary(30), (70,), "a row"),
    (law_from_rule("R5,C0,M1,S34..58,B34..45,NM"), (9, 70), "by counts"),
    (RuleTable(), (9, 70), "by a table"),
    (build_law("Cyclic"), (9, 70), "in a circle"),
    (build_law("Life3D"), (5, 6, 7), "in a circle"),
    (SecondOrder("B3/S23"), (9, 70), "minus the past"),
    (Life(boundary="klein-x"), (9, 70), "no faster form is known"),
)


@pytest.mark.parametrize(("law", "grid", "words"), LAWS)
def test_each_form_has_its_plan_on_cuda(law: Law, grid: tuple[int, ...], words: str, like_cuda: None) -> None:
    assert words in first_plan(law, (soup(law, 1, *grid),), "fp32").reason


def test_joined_edges_are_named_where_words_cannot_have_them() -> None:
    assert 'boundary "klein-x"' in BlockRuleOnCuda.why_not(Life(boundary="klein-x"))
    assert BlockRuleOnCuda.why_not(RuleTable()) == "RuleTable is no rule on the block of 3x3 cells"


def test_a_graphed_run_with_another_rule_equals_the_law(like_cuda: None) -> None:
    law = Generations("345/2/4")
    cells = soup(law, 1, 4, 20)
    motor = Aetheria_Motor(law, (4, 20), 1, "cpu", {"plan": "packed"}, initial=cells[0])
    motor.step(3)
    expected = stepped(law, cells, 3)
    assert torch.equal(motor.cells, expected)
    law.rule = "23/3/4"
    motor.step(1)
    assert torch.equal(motor.cells, stepped(Generations("23/3/4"), expected, 1))
    assert isinstance(motor.plan, Graphed)
    assert isinstance(motor.plan._inner, BlockRuleOnCuda)


def test_a_graphed_run_of_second_order_goes_back_to_its_beginning(like_cuda: None) -> None:
    law = SecondOrder("B3/S23")
    cells = soup(law, 1, 4, 20)
    motor = Aetheria_Motor(law, (4, 20), 2, "cpu", {"plan": "packed"}, initial=cells[0])
    motor.step(1)
    motor.step(2)
    assert torch.equal(motor.cells, stepped(law, cells, 3))
    motor.set_cells(motor.cells.flip(1))
    motor.step(3)
    assert torch.equal(motor.cells.flip(1), cells)
    assert isinstance(motor.plan, Graphed)


@pytest.mark.gpu
@pytest.mark.parametrize(("law", "grid", "words"), LAWS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_run_on_a_gpu_equals_the_law(law: Law, grid: tuple[int, ...], words: str, batch: int) -> None:
    grid = {1: (100_003,), 2: (300, 517), 3: (40, 50, 60)}[len(grid)]
    cells = soup(law, batch, *grid)
    motor = Aetheria_Motor(law, grid, law.channels, "cuda", {"plan": "auto"}, initial=cells[0], batch=batch)
    motor.set_cells(cells.cuda())
    motor.warm_up()
    motor.step(LENGTHS[0] + 15)
    assert isinstance(motor.plan, Graphed)
    assert words in motor.plan.reason
    assert torch.equal(motor.cells.cpu(), stepped(law, cells, LENGTHS[0] + 15))


def test_every_plan_on_cuda_is_tested_here() -> None:
    tested = {BlockRuleOnCuda, RowRuleOnCuda, NeighbourCountOnCuda, RuleTreeOnCuda, StateCircleOnCuda}
    assert set(ON_CUDA.values()) == tested
