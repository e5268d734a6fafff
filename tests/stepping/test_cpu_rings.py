"""The kernel for several rings and channels, and for matter that flows, equals the laws in float64."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws import Lenia
from aetheria.laws.continuous.flow_lenia import FlowLenia
from aetheria.laws.continuous.kernel_law import KernelLaw
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu import job
from aetheria.stepping.cpu.lenia import FusedLenia
from tests.stepping.test_plans import BOUNDARIES, advanced, assert_close, stepped

THREE: dict[str, Any] = {
    "R": 6,
    "T": 3,
    "r": [1.0, 0.6, 0.8, 0.9],
    "b": [[1.0], [0.5, 1.0], [1.0], [0.0, 1.0]],
    "m": [0.3, 0.35, 0.25, 0.4],
    "s": [0.08, 0.1, 0.06, 0.12],
    "h": [0.6, 0.3, 0.8, 0.5],
    "c0": [0, 2, 0, 1],
    "c1": [0, 0, 1, 1],
    "channels": 3,
}


def cells_of(law: KernelLaw, batch: int, height: int, width: int) -> Tensor:
    """Cells whose averages are near the centres of growth; carried weights differ from cell to cell."""
    return 0.7 * torch.rand(batch, law.channels, height, width, generator=torch.Generator().manual_seed(1))


@st.composite
def settings_of_rings(draw: st.DrawFn) -> dict[str, Any]:
    kernels, channels = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    each = {
        "m": st.floats(0.1, 0.5),
        "s": st.floats(0.04, 0.2),
        "h": st.floats(0.1, 1.0),
        "r": st.floats(0.5, 1.0),
        "b": st.sampled_from([[1.0], [0.5, 1.0], [0.0, 1.0]]),
        "c0": st.integers(0, channels - 1),
        "c1": st.integers(0, channels - 1),
    }
    lists = {name: draw(st.lists(one, min_size=kernels, max_size=kernels)) for name, one in each.items()}
    shapes: st.SearchStrategy[Any] = st.sampled_from(["polynomial", "exponential"])
    core, growth = draw(st.sampled_from(["polynomial", "exponential", "gaussian", "staircase"])), draw(shapes)
    return lists | {
        "R": draw(st.integers(3, 9)),
        "T": draw(st.floats(2, 10)),
        "channels": channels,
        "core": core,
        "growth": growth,
    }


def differs(law: KernelLaw, batch: int, extra: tuple[int, int], threads: int) -> None:
    side = 2 * law.kernel_radius + 1
    cells = cells_of(law, batch, side + extra[0], side + extra[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "THREAD_PRODUCTS", 1)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        assert_close(advanced(FusedLenia(law), (cells,), 2), stepped(law, (cells,), 2), 1e-4)


usual = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
extras = st.tuples(st.integers(0, 50), st.integers(0, 50))


@usual
@given(
    given=settings_of_rings(),
    update=st.sampled_from([{}, {"combine": "mean"}, {"clip": "soft"}, {"asymptotic": True}]),
    boundary=st.sampled_from(BOUNDARIES),
    batch=st.integers(1, 2),
    extra=extras,
    threads=st.integers(1, 3),
)
def test_several_rings_equal_the_law_in_float64(
    given: dict[str, Any], update: dict[str, Any], boundary: Any, batch: int, extra: tuple[int, int], threads: int
) -> None:
    differs(Lenia(**given, **update, boundary=boundary), batch, extra, threads)


@usual
@given(
    given=settings_of_rings(),
    dd=st.integers(1, 6),
    sigma=st.sampled_from([0.3, 0.65, 0.9]),
    n=st.sampled_from([1.0, 2.0, 1.7]),
    theta=st.floats(0.5, 3.0),
    carried=st.booleans(),
    boundary=st.sampled_from(["periodic", "zero"]),
    batch=st.integers(1, 2),
    extra=extras,
    threads=st.integers(1, 3),
)
def test_flowing_matter_equals_the_law_in_float64(
    given: dict[str, Any],
    dd: int,
    sigma: float,
    n: float,
    theta: float,
    carried: bool,
    boundary: Any,
    batch: int,
    extra: tuple[int, int],
    threads: int,
) -> None:
    if carried:
        del given["h"]
    law = FlowLenia(**given, dd=dd, sigma=sigma, n=n, theta_A=theta, carried=carried, boundary=boundary)
    differs(law, batch, extra, threads)


def test_threads_and_chunks_change_no_bit() -> None:
    for law in (Lenia(**THREE), FlowLenia(**THREE, dd=3)):
        state: tuple[torch.Tensor, ...] = (cells_of(law, 2, 100, 70),)
        results = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(job, "THREAD_PRODUCTS", 1)
            for threads, chunks in ((1, (12,)), (2, (12,)), (5, (1, 4, 7))):
                patch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
                plan, held = FusedLenia(law), state
                for steps in chunks:
                    held = advanced(plan, held, steps)
                results.append(held[0])
        assert results[0].std() > 0.02
        for other in results[1:]:
            assert torch.equal(results[0], other)


def test_a_torus_has_no_edge_and_universes_step_as_each_alone() -> None:
    for law in (Lenia(**THREE), FlowLenia(**THREE, dd=3)):
        cells, plan = cells_of(law, 3, 70, 50), FusedLenia(law)
        together = advanced(plan, (cells,), 3)[0]
        for b in range(3):
            assert torch.equal(advanced(plan, (cells[b : b + 1],), 3)[0][0], together[b])
        moved = advanced(plan, (cells.roll((13, 21), (-2, -1)),), 3)[0]
        torch.testing.assert_close(moved, together.roll((13, 21), (-2, -1)), rtol=0, atol=1e-5)


def test_numbers_may_differ_by_universe() -> None:
    numbers = {"m_0": [0.2, 0.35], "s_1": [0.1, 0.2], "h_2": [0.1, 0.9], "T": [2.0, 6.0]}
    laws = [Lenia(**THREE), FlowLenia(**THREE), *(kind(**THREE) for kind in (Lenia, FlowLenia) for _ in range(2))]
    for place, law in enumerate(laws[:2]):
        cells = cells_of(law, 2, 30, 40)
        for name, values in numbers.items():
            setattr(law, name, torch.tensor(values, dtype=torch.float64))
        together = advanced(FusedLenia(law), (cells,), 2)[0]
        for b, alone in enumerate(laws[2 + 2 * place : 4 + 2 * place]):
            for name, values in numbers.items():
                setattr(alone, name, values[b])
            assert torch.equal(advanced(FusedLenia(alone), (cells[b : b + 1],), 2)[0][0], together[b])
        assert (together[0] - together[1]).abs().max() > 0.1


def test_mass_is_kept_to_rounding_over_a_run() -> None:
    law = FlowLenia(**THREE, dd=5)
    motor = Aetheria_Motor(law, (90, 75), 3, "cpu", {"plan": "fused"}, seed=2)
    before = motor.cells.double().sum((0, 2, 3))
    motor.step(300)
    assert type(motor.plan) is FusedLenia
    torch.testing.assert_close(motor.cells.double().sum((0, 2, 3)), before, rtol=2e-5, atol=0)
    assert float(motor.cells.min()) >= 0


def test_a_nan_spreads_no_further_than_the_law_lets_it() -> None:
    law = FlowLenia(R=4, dd=2, m=0.3, s=0.1)
    cells = cells_of(law, 1, 40, 40)
    cells[0, 0, 20, 20] = float("nan")
    after = advanced(FusedLenia(law), (cells,), 1)[0][0, 0].isnan()
    rows, columns = after.nonzero().T
    assert after[18:23, 18:23].all()
    reach = law.radius
    assert 20 - reach <= int(rows.min()) <= int(rows.max()) <= 20 + reach
    assert 20 - reach <= int(columns.min()) <= int(columns.max()) <= 20 + reach


def test_controls_changed_during_a_run_count_from_the_next_step() -> None:
    law = FlowLenia(**THREE, dd=3)
    motor = Aetheria_Motor(law, 40, 3, "cpu", {"plan": "fused"}, seed=2)
    motor.step(2)
    cells = motor.cells
    edits = {"m_1": 0.2, "h_0": 0.1, "theta_A": 2.0, "T": 5.0}
    for name, value in edits.items():
        motor.set_control(name, value)
    motor.step(2)
    changed = FlowLenia(**THREE, dd=3)
    for name, value in edits.items():
        setattr(changed, name, value)
    assert_close((motor.cells,), stepped(changed, (cells,), 2), 1e-4)
    with pytest.raises(AssertionError):
        assert_close((motor.cells,), stepped(FlowLenia(**THREE, dd=3), (cells,), 2), 1e-3)


def test_large_rings_are_refused_with_their_number() -> None:
    law = Lenia(**(THREE | {"R": 40}))
    with pytest.raises(ConfigError, match=r"its 4 rings of together 1\d,\d+ cells \(R 40\) are faster by FFT"):
        Aetheria_Motor(law, 90, 3, "cpu", {"plan": "fused"}).warm_up()
