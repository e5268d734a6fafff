"""The direct sum over Lenia's ring equals the law's Fourier transforms in float64; when the plan is taken, and refused."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError, StateError
from aetheria.laws import Lenia
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import compiled
from aetheria.stepping.cpu import job
from aetheria.stepping.cpu.lenia import FusedLenia
from aetheria.stepping.plan import State
from tests.stepping.test_plans import BOUNDARIES, advanced, assert_close, stepped

shapes: st.SearchStrategy[Any] = st.sampled_from(["polynomial", "exponential"])


def soup(law: Lenia, batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Cells in 0..1 whose potential is near the centre of growth, so that most of them are neither 0 nor 1 after a step."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * law.m * torch.rand(batch, 1, height, width, generator=generator)


@st.composite
def lenias(draw: st.DrawFn) -> Lenia:
    return Lenia(
        R=draw(st.integers(3, 20)),
        T=draw(st.sampled_from([2.0, 10.0])),
        m=draw(st.floats(0.1, 0.5)),
        s=draw(st.floats(0.03, 0.2)),
        b=draw(st.sampled_from([[1.0], [0.5, 1.0], [1.0, 0.0], [0.0, 1.0], [0.3, 1.0, 0.6]])),
        core=draw(shapes),
        growth=draw(shapes),
        boundary=draw(st.sampled_from(BOUNDARIES)),
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    law=lenias(),
    batch=st.integers(1, 3),
    extra=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    steps=st.integers(1, 3),
    threads=st.integers(1, 3),
)
def test_the_direct_sum_equals_the_law_in_float64(
    law: Lenia, batch: int, extra: tuple[int, int], steps: int, threads: int
) -> None:
    cells = soup(law, batch, *(2 * law.R + 1 + more for more in extra))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "THREAD_PRODUCTS", 1)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        (given,), (expected,) = advanced(FusedLenia(law), (cells,), steps), stepped(law, (cells,), steps)
    # Rounding of the potential grows by the slope of growth, up to 1.8 / s, at each step. It is relative to the first cells: a
    # pattern that dies leaves nothing but rounding.
    tolerance = 2e-6 * (1 + 2 / law.s / law.T) ** (steps - 1) + 1e-6 / law.s / law.T
    assert given.shape == expected.shape
    assert (given - expected).abs().max() <= tolerance * cells.max()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [(27, 27), (600, 40), (33, 600), (64, 512), (130, 1030)])
def test_tall_wide_and_minimal_grids_equal_the_law_in_float64(size: tuple[int, int], boundary: Any) -> None:
    law = Lenia(core="exponential", growth="exponential", m=0.3, s=0.06, boundary=boundary)
    cells = soup(law, 2, *size)
    given, expected = advanced(FusedLenia(law), (cells,), 2), stepped(law, (cells,), 2)
    assert_close(given, expected, 2e-6)
    assert ((given[0] > 0) & (given[0] < 1)).double().mean() > 0.5, "most cells are clipped, which would hide an error"


def test_threads_and_chunks_change_no_bit() -> None:
    law = Lenia(m=0.3, s=0.06)
    state: State = (soup(law, 2, 150, 90),)
    results = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "THREAD_PRODUCTS", 1)
        for threads, chunks in ((1, (20,)), (2, (20,)), (7, (1, 4, 15))):
            patch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            plan, given = FusedLenia(law), state
            for steps in chunks:
                given = advanced(plan, given, steps)
            results.append(given[0])
    assert 0.05 < results[0].std() < 1
    for other in results[1:]:
        assert torch.equal(results[0], other)


def test_universes_step_as_each_alone_and_a_torus_has_no_edge_bit_for_bit() -> None:
    law = Lenia(m=0.3, s=0.06)
    cells, plan = soup(law, 3, 70, 50), FusedLenia(law)
    together = advanced(plan, (cells,), 3)[0]
    for b in range(3):
        assert torch.equal(advanced(plan, (cells[b : b + 1],), 3)[0][0], together[b])
    moved = advanced(plan, (cells.roll((13, 21), (-2, -1)),), 3)[0]
    assert torch.equal(moved, together.roll((13, 21), (-2, -1)))


def test_universes_of_a_large_batch_of_small_grids_step_as_each_alone_bit_for_bit() -> None:
    law = Lenia(R=6, m=0.3, s=0.06, boundary="reflect")
    cells, plan = soup(law, 70, 24, 50), FusedLenia(law)
    together = advanced(plan, (cells,), 3)[0]
    for b in range(70):
        assert torch.equal(advanced(plan, (cells[b : b + 1],), 3)[0][0], together[b])


def test_a_nan_spreads_as_far_as_the_ring_and_no_further() -> None:
    law = Lenia(R=5, growth="exponential")
    cells = soup(law, 1, 30, 40)
    cells[0, 0, 12, 20] = float("nan")
    reached = law.kernel() > 1e-6
    reached[5, 5] = True
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[12 - 5 : 12 + 6, 20 - 5 : 20 + 6] = reached
    assert torch.equal(advanced(FusedLenia(law), (cells,), 1)[0][0, 0].isnan(), expected)


def test_no_steps_change_nothing() -> None:
    law = Lenia(R=5)
    cells = soup(law, 1, 30, 40)
    assert torch.equal(advanced(FusedLenia(law), (cells,), 0)[0], cells)


# -- choosing ----------------------------------------------------------------------------------------------------------


def motor(law: Lenia, plan: str = "auto", side: int = 48, precision: str = "fp32") -> Aetheria_Motor:
    made = Aetheria_Motor(law, side, 1, "cpu", {"plan": plan, "precision": precision}, seed=3)
    made.warm_up()
    return made


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_auto_takes_the_fused_plan_and_agrees_with_eager(precision: str) -> None:
    fast, eager = (motor(Lenia(m=0.3, s=0.06), plan, precision=precision) for plan in ("auto", "eager"))
    for one in (fast, eager):
        one.step(3)
        one.set_cells(one.cells.flip(-1))
        one.step(2)
    assert (fast.plan.name, type(fast.plan)) == ("fused", FusedLenia)
    assert_close((fast.cells,), (eager.cells,), 1e-4)


@pytest.mark.parametrize(
    "edits",
    [{"m": 0.35}, {"s": 0.1}, {"T": 3.0}, {"growth": "exponential"}, {"R": 9}, {"b": [1.0, 0.5]}, {"core": "exponential"}],
    ids=str,
)
def test_parameters_edited_during_a_run_count_from_the_next_step(edits: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"R": 7, "m": 0.3, "s": 0.06, "growth": "polynomial", "core": "polynomial"}
    law = Lenia(**usual)
    edited = motor(law)
    edited.step(2)
    cells = edited.cells
    for name, value in edits.items():
        setattr(law, name, value)
    edited.step(2)
    assert_close((edited.cells,), stepped(Lenia(**{**usual, **edits}), (cells,), 2), 1e-5)
    with pytest.raises(AssertionError):
        assert_close((edited.cells,), stepped(Lenia(**usual), (cells,), 2), 1e-3)
    assert edited.plan.name == "fused"


def test_a_ring_height_edited_in_place_counts_from_the_next_step() -> None:
    law = Lenia(R=7, m=0.3, s=0.06, b=[1.0, 1.0])
    edited = motor(law)
    edited.step(1)
    cells = edited.cells
    law.b[1] = 0.2
    edited.step(1)
    assert_close((edited.cells,), stepped(Lenia(R=7, m=0.3, s=0.06, b=[1.0, 0.2]), (cells,), 1), 1e-5)


def test_a_radius_edited_to_more_than_the_grid_holds_is_an_error() -> None:
    law = Lenia(R=5)
    running = motor(law, side=16)
    running.step(1)
    law.R = 8
    with pytest.raises(LawError, match=r"grid 16 x 16: must be at least 17"):
        running.step(1)


def test_large_rings_are_left_to_the_fft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    assert motor(Lenia(R=40), side=90).warm_up().name == "compiled"
    assert motor(Lenia(R=12), side=90).warm_up().name == "fused"
    law = Lenia(R=12)
    grown = motor(law, side=90)
    grown.step(1)
    law.R = 40
    grown.step(1)
    assert grown.plan.name == "compiled"


class Doubled(Lenia):
    """Has another potential than the kernel adds up."""

    def potential(self, cells: Tensor) -> Tensor:
        return 2 * super().potential(cells)


def test_laws_that_the_kernel_cannot_step_are_refused_with_the_reason() -> None:
    hooked, replaced = Lenia(R=5), Lenia(R=5)
    hooked.register_forward_hook(lambda *_: None)
    setattr(replaced, "kernel", lambda *_: torch.ones(11, 11) / 121)  # noqa: B010 - a method
    for law, precision, words in (
        (Doubled(R=5), "fp32", "Doubled overrides potential"),
        (hooked, "fp32", "it has forward hooks"),
        (replaced, "fp32", "its kernel was replaced"),
        (Lenia(R=5), "fp64", "its kernel computes in float32, and fp64 is wanted"),
        (Lenia(R=18), "fp32", r"its ring of 1,\d+ cells \(R 18\) is faster by FFT"),
    ):
        with pytest.raises(ConfigError, match=words):
            motor(law, "fused", precision=precision).warm_up()


def test_a_hook_registered_during_a_run_is_called_from_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    law = Lenia(R=5)
    running = motor(law)
    running.step(2)
    called: list[int] = []
    law.register_forward_hook(lambda *_: called.append(1))
    running.step(1)
    assert called


def test_a_kernel_out_of_memory_is_an_error_that_names_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    running = motor(Lenia(R=5))
    running.warm_up()
    monkeypatch.setattr(running.plan, "_kernel", lambda _: 1)
    with pytest.raises(StateError, match="Lenia: out of memory"):
        running.step(1)
