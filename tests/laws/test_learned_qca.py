"""LearnedQCA: against unitary matrices in NumPy, its norm, and runs back to the last bit."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import LearnedQCA
from aetheria.laws.quantum.lifting import on_grid, rotate, rounds_of_pairs
from aetheria.motor.motor import Aetheria_Motor
from tests.laws.test_unitary_laws import cells_of, psi_of

Complex = NDArray[np.complex128]
GRIDS = {1: (16,), 2: (6, 8), 3: (4, 4, 6)}


def learned(rank: int = 1, seed: int = 0, **given: Any) -> LearnedQCA:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LearnedQCA(8, rank=rank, **given)


def motor(law: LearnedQCA, grid: tuple[int, ...], precision: str = "fp32", **given: Any) -> Aetheria_Motor:
    assert law.d_state is not None
    return Aetheria_Motor(law, grid, law.d_state, "cpu", {"plan": "eager", "precision": precision}, **given)


# -- the step ------------------------------------------------------------------------------------------------------


def numpy_coin(halves: NDArray[np.float64], d: int) -> Complex:
    """The unitary matrix of one cell, from the network's `d * d` tangents of half angles."""
    coin, used = np.eye(d, dtype=complex), 0

    def angle(half: float) -> float:
        return float(2 * np.arctan(half))

    for firsts, seconds in rounds_of_pairs(d):
        pairs = len(firsts)
        for n, (j, k) in enumerate(zip(firsts, seconds, strict=True)):
            turn, phase = np.eye(d, dtype=complex), np.eye(d, dtype=complex)
            phase[k, k] = np.exp(1j * angle(halves[used + n]))
            theta = angle(halves[used + pairs + n])
            turn[[j, j, k, k], [j, k, j, k]] = np.cos(theta), -np.sin(theta), np.sin(theta), np.cos(theta)
            coin = turn @ phase @ coin
        used += 2 * pairs
    return np.diag(np.exp(1j * np.array([angle(half) for half in halves[used:]]))) @ coin


def numpy_step(law: LearnedQCA, psi: Complex) -> Complex:
    """Even cells by what odd ones are, odd cells by what even ones have become; then each component goes its way."""
    *grid, d = psi.shape
    weights = {name: tensor.double().numpy() for name, tensor in law.state_dict().items()}
    w1, w2 = (weights[f"{name}.weight"].reshape(len(weights[f"{name}.bias"]), -1) for name in ("hidden", "out"))
    around = [tuple(by if axis == along else 0 for axis in range(len(grid))) for along in range(len(grid)) for by in (-1, 1)]
    for parity in (0, 1):
        density, after = np.abs(psi) ** 2, psi.copy()
        for place in product(*map(range, grid)):
            if sum(place) % 2 == parity:
                seen = np.concatenate(
                    [density[tuple((p + o) % n for p, o, n in zip(place, by, grid, strict=True))] for by in sorted(around)]
                )
                answer = w2 @ np.tanh(w1 @ (seen / (1 + seen)) + weights["hidden.bias"]) + weights["out.bias"]
                after[place] = numpy_coin(np.tanh(answer), d) @ psi[place]
        psi = after
    moving = [np.roll(psi[..., k], (-1, 1)[k % 2], k // 2) for k in range(2 * len(grid))]
    return np.stack([*moving, *(psi[..., k] for k in range(2 * len(grid), d))], -1)


@pytest.mark.parametrize(("rank", "d_state"), [(1, 2), (1, 3), (2, 4), (3, 6)])
def test_a_step_is_that_of_unitary_matrices_in_numpy(rank: int, d_state: int) -> None:
    law = learned(rank, d_state=d_state).double()
    psi = psi_of(law.random_cells(GRIDS[rank], torch.Generator().manual_seed(1))[None])
    expected = numpy_step(law, numpy_step(law, psi))
    for training, tolerance in ((True, 1e-12), (False, 1e-12)):
        law.train(training)
        with torch.no_grad():
            np.testing.assert_allclose(psi_of(law(law(cells_of(psi)))), expected, atol=tolerance)
    assert np.abs(expected - psi).max() > 0.1


def test_all_pairs_come_once_in_rounds_of_disjoint_ones() -> None:
    for members in range(2, 9):
        rounds = rounds_of_pairs(members)
        pairs = [tuple(sorted(pair)) for firsts, seconds in rounds for pair in zip(firsts, seconds, strict=True)]
        assert sorted(pairs) == list(combinations(range(members), 2))
        assert all(len({*firsts, *seconds}) == 2 * len(firsts) for firsts, seconds in rounds)


# -- norm and reversal ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rotation_keeps_the_norm_to_rounding_and_is_undone_to_the_last_bit(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    start = on_grid(torch.randn(2, 1, 10_000, generator=random, dtype=dtype))
    half = torch.rand(1, 1, 10_000, generator=random, dtype=dtype) * 2 - 1
    channels = list(start)
    rotate(channels, (0,), (1,), half, rounded=True)
    angle = 2 * half[:, 0].double().atan()
    exact = start[0].double() * angle.cos() - start[1].double() * angle.sin()
    step = {torch.float32: 2.0**-21, torch.float64: 2.0**-50}[dtype]
    assert float((channels[0].double() - exact).abs().max()) < 3 * step
    norms = [float(sum(part.double().square().sum() for part in some)) for some in (start, channels)]
    assert norms[1] == pytest.approx(norms[0], rel=3 * step)
    rotate(channels, (0,), (1,), -half, rounded=True)
    assert all(torch.equal(one, other) for one, other in zip(channels, start, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize(
    ("rank", "given"),
    [(1, {}), (1, {"boundary": "reflect", "d_state": 3}), (2, {}), (2, {"boundary": "reflect"}), (3, {})],
)
def test_a_run_is_taken_back_to_its_start_to_the_last_bit_and_keeps_its_norm(
    rank: int, given: dict[str, Any], precision: str
) -> None:
    steps = 60 if rank == 1 else 15
    one = motor(learned(rank, **given), GRIDS[rank], precision, batch=2)
    start, norm = one.cells, one.read("norm")
    one.step(steps)
    torch.testing.assert_close(one.read("norm"), norm, rtol=2e-5 if precision == "fp32" else 1e-13, atol=0)
    assert float((one.cells - start).abs().max()) > 0.5
    one.reverse(steps)
    assert torch.equal(one.cells, start)


def test_coins_depend_on_the_densities_around() -> None:
    """The step is not linear: the sum of two states does not become the sum of what they become."""
    law = learned().double().train()
    one, other = (law.random_cells((16,), torch.Generator().manual_seed(seed))[None].double() for seed in (1, 2))
    assert not torch.allclose(law(one + other), law(one) + law(other), atol=1e-2)
    fixed = learned(output_scale=0.0).double().train()
    torch.testing.assert_close(fixed(one + other), fixed(one) + fixed(other))


def test_in_training_gradients_reach_all_weights() -> None:
    law = learned(2).train()
    cells = law.random_cells((6, 8), torch.Generator().manual_seed(0))[None]
    law(law(cells))[:, 0].square().sum().backward()
    for name, parameter in law.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_channels": 0}, "hidden_channels: 0 given"),
        ({"d_state": 1}, "d_state: 1 given; expected a whole number from 2 to 64"),
        ({"d_state": 3, "rank": 2}, "d_state: 3 given; expected a whole number from 4 to 64"),
        ({"rank": 4}, "rank: .*4"),
        ({"boundary": "zero"}, "boundary: .*zero.* expected one of periodic, reflect"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.learnedqca\] " + message):
        LearnedQCA(**settings)


def test_a_torus_of_odd_sides_is_refused() -> None:
    with pytest.raises(LawError, match="must be a multiple of 2, because its even and odd cells alternate"):
        motor(learned(), (9,))
    motor(learned(boundary="reflect"), (9,)).step(2)
