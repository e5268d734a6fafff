"""The Triton kernel for packed Life, several steps in a pass, equals the law bit for bit.

Without a CUDA device Triton interprets the kernel on the CPU; with one it compiles it, and the same tests run on the device.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria.laws import Life
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import bit_sliced_life, compiled, cuda_graph
from aetheria.stepping.cuda_graph import LENGTHS, Graphed
from aetheria.stepping.factories import first_plan
from aetheria.stepping.gpu import bit_packed_life
from aetheria.stepping.gpu.bit_packed_life import PASSES, PackedInPasses
from aetheria.stepping.plan_factory import StepProblem
from tests.generated import given, settings, st
from tests.stepping.interpreted import DEVICES, INTERPRETED
from tests.stepping.life_rules import EVERY_CASE

RULES = ("B3/S23", *EVERY_CASE)
on_each_device = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def short_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes of few rows: the interpreter's time depends on the rows of a lane, not on the number of lanes in a program."""
    if INTERPRETED:
        monkeypatch.setattr(bit_packed_life, "FEWEST_ROWS", 3)


def soup(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, height, width, generator=generator) < 0.4).float()


def stepped(law: Life, cells: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        cells = law(cells)
    return cells


def in_passes(law: Life, cells: Tensor, chunks: tuple[int, ...], device: str, block: int = 256) -> Tensor:
    """The cells after some chunks of steps of the kernel, back on the CPU."""
    plan = PackedInPasses(law, cells, block)
    held = plan.pack((cells.to(device),))
    for steps in chunks:
        held = plan.advance(held, steps)
    return plan.unpack(held)[0].cpu()


@st.composite
def soups(draw: st.DrawFn) -> tuple[Life, Tensor]:
    """A law and cells that the kernel takes, on grids of all widths around those of words and of what a lane steps."""
    boundary: Any = draw(st.sampled_from(("periodic", "zero", "reflect")))
    least = {"periodic": 64, "zero": 1, "reflect": 2}[boundary]
    around = st.builds(lambda base, more: base + more, st.sampled_from((48, 64, 96, 128, 144, 192)), st.integers(-9, 9))
    width = max(least, draw(st.one_of(st.integers(1, 20), around)))
    height = max(draw(st.integers(1, 14)), 2 if boundary == "reflect" else 1)
    law = Life(draw(st.sampled_from(("B3/S23", "B02/S12"))), boundary=boundary)  # B0: cells beyond an edge would be born
    return law, soup(draw(st.integers(1, 3)), height, width, draw(st.integers(0, 99)))


@on_each_device
@settings(max_examples=16, deadline=None, derandomize=True)
@given(given=soups(), steps=st.sampled_from(PASSES), rows=st.sampled_from((1, 3, 6)))
def test_one_pass_equals_as_many_steps_of_the_law_on_any_grid(
    device: str, given: tuple[Life, Tensor], steps: int, rows: int
) -> None:
    law, cells = given
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bit_packed_life, "FEWEST_ROWS", rows)  # of a lane; seams between lanes lie elsewhere
        assert torch.equal(in_passes(law, cells, (steps,), device), stepped(law, cells, steps))


@on_each_device
@pytest.mark.parametrize("rule", RULES)
def test_every_case_of_birth_and_survival_equals_the_law(rule: str, device: str) -> None:
    law, cells = Life(rule, boundary="zero"), soup(1, 20, 70)
    assert torch.equal(in_passes(law, cells, (2,), device), stepped(law, cells, 2))


@on_each_device
def test_splitting_steps_into_chunks_changes_no_bit(device: str) -> None:
    law, cells = Life(boundary="reflect"), soup(2, 7, 100)
    expected = stepped(law, cells, 13)
    for chunks in ((13,), (0, 5, 0, 8)):
        assert torch.equal(in_passes(law, cells, chunks, device), expected)


@on_each_device
def test_three_universes_step_as_each_alone_in_programs_of_any_size(device: str) -> None:
    law, cells = Life(), soup(3, 6, 64)
    expected = torch.cat([in_passes(law, cells[i : i + 1], (3,), device) for i in range(3)])
    for block in (2, 128):
        assert torch.equal(in_passes(law, cells, (3,), device, block), expected)


@on_each_device
def test_bits_beyond_the_width_stay_dead_where_births_need_no_neighbour(device: str) -> None:
    for boundary in ("periodic", "zero", "reflect"):
        plan = PackedInPasses(Life("B0/S", boundary=boundary), soup(1, 5, 67), 64)
        (words,) = plan.advance(plan.pack((soup(1, 5, 67).to(device),)), 3)
        assert torch.equal(bit_sliced_life.pack(bit_sliced_life.unpack(words, 67, torch.float32)), words)


@on_each_device
def test_gliders_cross_the_seams_of_lanes_and_words_and_the_edges(device: str) -> None:
    cells = torch.zeros(1, 1, 20, 128)
    for y, x in ((0, 1), (1, 2), (2, 0), (2, 1), (2, 2)):
        for left in (44, 60, 124):  # lanes meet at column 48, words at 64; the edge is at 128
            cells[0, 0, (y + left // 4) % 20, (x + left) % 128] = 1
    assert torch.equal(in_passes(Life(), cells, (24,), device, 128), cells.roll((6, 6), (-2, -1)))


@on_each_device
def test_a_wrong_pass_is_found_when_it_is_compiled(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bit_packed_life, "PASSES", PASSES[1:])  # the longest takes long to interpret
    law, cells = Life(), soup(1, 9, 64)
    plan = PackedInPasses(law, cells, 64)
    held = plan.pack((cells.to(device),))
    before = held[0].clone()
    plan.check(held)
    assert torch.equal(held[0], before)
    right = PackedInPasses._pass

    def wrong(self: PackedInPasses, words: Tensor, after: Tensor, steps: int) -> None:
        right(self, words, after, steps)
        if steps == PASSES[1]:
            after[0, 4, 0] ^= 1

    monkeypatch.setattr(PackedInPasses, "_pass", wrong)
    with pytest.raises(RuntimeError, match="4 steps in one pass differ from those in two"):
        plan.check(held)


# -- with graphs, in a motor -------------------------------------------------------------------------------------------


class Remembered:
    """Stands in for a CUDA graph: work on fixed buffers, which `replay` does again."""

    def __init__(self, work: Any) -> None:
        self.replay = work


@pytest.fixture
def like_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plans for Life on CUDA, on the CPU: interpreted, with graphs that call the work again."""

    def captured(self: Graphed, steps: int) -> Remembered:
        return Remembered(lambda: cuda_graph._copy(self._inner.advance(self._buffers, steps), self._buffers))

    monkeypatch.setattr(Graphed, "_warm_up", lambda _: None)
    monkeypatch.setattr(Graphed, "_captured", captured)
    monkeypatch.setattr(StepProblem, "on_cuda", True)
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    monkeypatch.setattr(bit_packed_life.PackedInPasses.__init__, "__defaults__", (64,))
    monkeypatch.setattr(bit_packed_life, "PASSES", (2, 1))  # long passes take long to interpret


def test_an_even_number_of_passes_ends_in_the_buffer_in_which_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PackedInPasses, "_pass", lambda *_: None)
    cells = soup(1, 9, 64)
    plan = PackedInPasses(Life(), cells)
    held = plan.pack((cells,))
    assert plan.advance(held, LENGTHS[0])[0] is held[0], "the longest graph would copy its result back"
    assert plan.advance(held, 1)[0] is not held[0]


def test_a_graphed_run_with_edits_of_cells_and_rule_equals_the_law(like_cuda: None) -> None:
    law = Life()
    cells = soup(2, 12, 70)
    motor = Aetheria_Motor(law, (12, 70), 1, "cpu", {"plan": "packed"}, initial=cells[0], batch=2)
    motor.set_cells(cells)
    motor.step(LENGTHS[0] + 11)
    expected = stepped(law, cells, LENGTHS[0] + 11)
    assert torch.equal(motor.cells, expected)
    motor.set_cells(expected.flip(-1))
    motor.step(3)
    expected = stepped(law, expected.flip(-1), 3)
    law.rule = "B36/S125"
    motor.step(9)
    expected = stepped(Life("B36/S125"), expected, 9)
    assert torch.equal(motor.cells, expected)
    assert isinstance(motor.plan, Graphed)
    assert isinstance(motor.plan._inner, PackedInPasses)


def test_grids_that_the_kernel_cannot_step_take_one_step_in_a_pass(like_cuda: None) -> None:
    law, cells = Life(), soup(1, 12, 63)
    assert "63 cells wide" in bit_packed_life.why_not_in_passes(law, 63)
    assert "one step in a pass" in first_plan(law, (cells,), "fp32").reason
    assert "several steps" in first_plan(Life(boundary="zero"), (cells,), "fp32").reason
    motor = Aetheria_Motor(law, (12, 63), 1, "cpu", {"plan": "auto"}, initial=cells[0])
    motor.warm_up()
    motor.step(5)
    assert torch.equal(motor.cells, stepped(law, cells, 5))
    assert motor.plan.name == "packed"
    assert motor.plan.reason.startswith("64 cells in a word, one step in a pass: ")


def test_after_a_failing_kernel_one_step_is_taken_in_a_pass(like_cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(PackedInPasses, "_pass", fails)
    law, cells = Life(), soup(1, 12, 70)
    motor = Aetheria_Motor(law, (12, 70), 1, "cpu", {"plan": "auto"}, initial=cells[0])
    with pytest.warns(RuntimeWarning, match="Life steps by plan packed.*packed failed: RuntimeError: no such instruction"):
        motor.warm_up()
    motor.step(5)
    assert torch.equal(motor.cells, stepped(law, cells, 5))


@pytest.mark.gpu
@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize(("batch", "grid"), [(1, (1024, 1024)), (1, (777, 1001)), (65, (64, 64)), (3, (50, 65))])
def test_a_run_on_a_gpu_equals_the_law(batch: int, grid: tuple[int, int], boundary: Any) -> None:
    law, cells = Life(boundary=boundary), soup(batch, *grid)
    motor = Aetheria_Motor(law, grid, 1, "cuda", {"plan": "packed"}, initial=cells[0], batch=batch)
    motor.set_cells(cells.cuda())
    motor.step(LENGTHS[0] + 15)
    assert isinstance(motor.plan, Graphed)
    assert isinstance(motor.plan._inner, PackedInPasses)
    assert torch.equal(motor.cells.cpu(), stepped(law, cells, LENGTHS[0] + 15))


@pytest.mark.gpu
def test_a_grid_of_four_gibicells_is_stepped_to_its_last_corner() -> None:
    """Offsets beyond 2^31 cells: a glider in the last corner, the rest dead."""
    small, large = torch.zeros(1, 1, 64, 64), 1 << 16
    for y, x in ((50, 51), (51, 52), (52, 50), (52, 51), (52, 52)):
        small[0, 0, y, x] = 1
    words = torch.zeros(1, large, large // 64, dtype=torch.int64, device="cuda")
    words[:, -64:, -1:] = bit_sliced_life.pack(small).cuda()
    plan = PackedInPasses(Life(boundary="zero"), torch.empty(1, 1, 1, large))
    (after,) = plan.advance((words,), 12)
    assert torch.equal(after[:, -64:, -1:].cpu(), bit_sliced_life.pack(stepped(Life(boundary="zero"), small, 12)))
    assert int(after.count_nonzero()) == int(bit_sliced_life.pack(stepped(Life(), small, 12)).count_nonzero())
