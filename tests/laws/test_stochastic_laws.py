"""The laws with chance: exact against NumPy with the same noise, and against known means, thresholds and mean fields."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.laws import SIR, ContactProcess, ForestFire, Ising, Law
from aetheria.laws.hash_noise import hash_words
from aetheria.motor.motor import Aetheria_Motor
from tests.oracles import names_of, oracle


def motor(law: Law, grid: tuple[int, ...], batch: int = 1, seed: int = 0, initial: Any = None) -> Aetheria_Motor:
    return Aetheria_Motor(law, grid, 1, "cpu", {"plan": "eager"}, batch=batch, seed=seed, initial=initial)


def noise(one: Aetheria_Motor) -> Any:
    """The uniform numbers in 0..1 that the next step draws, `(B, 1, *grid)`."""
    seed, step = one.memory
    return hash_words(seed, step, one.shape[2:])[:, None].numpy() / 2**32


def nearest(marks: Any, rank: int) -> Any:
    """Marked nearest neighbours on the torus, of `(B, 1, *grid)`."""
    return sum(np.roll(marks.astype(int), by, axis) for by in (-1, 1) for axis in range(2, 2 + rank))


# -- exact ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(30,), (9, 14), (5, 6, 8)])
def test_fires_spread_as_numpy_has_them_spread(grid: tuple[int, ...]) -> None:
    one = motor(ForestFire(0.3, 0.02), grid, batch=2)
    for _ in range(12):
        state, drawn = one.cells.numpy(), noise(one)
        burns = (nearest(state == 2, len(grid)) > 0) | (drawn < 0.02)
        expected = np.where(state == 1, 1 + burns, np.where(state == 0, drawn < 0.3, 0))
        one.step(1)
        assert np.array_equal(one.cells.numpy(), expected)


@pytest.mark.parametrize("grid", [(30,), (9, 14), (5, 6, 8)])
def test_an_epidemic_spreads_as_numpy_has_it_spread(grid: tuple[int, ...]) -> None:
    law = SIR(0.4, 0.2, 0.1, neighbourhood="von_neumann")
    one = motor(law, grid, batch=2, initial=torch.randint(3, (2, 1, *grid), generator=torch.Generator().manual_seed(0)).float())
    for _ in range(12):
        state, drawn = one.cells.numpy(), noise(one)
        chance = np.select([state == 0, state == 1], [1 - 0.6 ** nearest(state == 1, len(grid)), 0.2], 0.1)
        expected = np.where(drawn < chance, (state + 1) % 3, state)
        one.step(1)
        assert np.array_equal(one.cells.numpy(), expected)


@pytest.mark.parametrize("grid", [(30,), (9, 14), (5, 6, 8)])
def test_contacts_infect_as_numpy_has_them_infect(grid: tuple[int, ...]) -> None:
    one = motor(ContactProcess(3.0, dt=0.5), grid, batch=2)
    for _ in range(12):
        ill, drawn = one.cells.numpy() == 1, noise(one)
        infects = 1 - np.exp(-0.5 * 3.0 * nearest(ill, len(grid)) / (2 * len(grid)))
        expected = ill ^ (drawn < np.where(ill, 1 - math.exp(-0.5), infects))
        one.step(1)
        assert np.array_equal(one.cells.numpy(), expected)


@pytest.mark.parametrize("dynamics", ["heat_bath", "metropolis"])
@pytest.mark.parametrize("grid", [(30,), (8, 14), (4, 6, 8)])
def test_spins_turn_as_numpy_has_them_turn(grid: tuple[int, ...], dynamics: Any) -> None:
    one = motor(Ising(0.4, dynamics=dynamics), grid, batch=2)
    places = np.indices(grid).sum(0)
    for step in range(8):
        spin, drawn = 2 * one.cells.numpy() - 1, noise(one)
        field = 2 * nearest(spin > 0, len(grid)) - 2 * len(grid)
        if dynamics == "heat_bath":
            after = drawn < 1 / (1 + np.exp(-0.8 * field))
        else:
            after = (spin > 0) ^ (drawn < np.minimum(1, np.exp(-0.8 * spin * field)))
        expected = np.where(places % 2 == step % 2, after, spin > 0)
        one.step(1)
        assert np.array_equal(one.cells.numpy(), expected)


def test_a_control_is_heeded_from_the_next_step_on() -> None:
    one = motor(Ising(0.0), (16, 16), initial=torch.ones(1, 16, 16))
    one.set_control("beta", 50.0)
    one.step(20)
    assert bool((one.cells == 1).all()), "at so low a temperature no spin leaves the others"
    one.set_control("beta", 0.0)
    one.step(2)
    assert 80 < float(one.read("count_1")) < 176


# -- known means ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", ["heat_bath", "metropolis"])
@pytest.mark.parametrize("case", names_of("ising"))
def test_the_energy_and_magnetisation_of_a_small_torus_are_the_exact_ones(case: str, dynamics: Any) -> None:
    of = oracle("ising", case).parameters
    batch, steps = 1000, 48
    one = motor(Ising(of["beta"], dynamics=dynamics), (4, 4), batch=batch, seed=1)
    one.step(60)
    energies, sizes = [], []
    for _ in range(steps // 6):
        one.step(6)
        energies.append(one.read("spin_energy").numpy() / 16)
        sizes.append(np.abs(one.read("magnetisation").numpy()))
    # The standard error of a mean over independent universes.
    for found, wanted in ((energies, "energy_per_site"), (sizes, "abs_magnetisation")):
        each = np.mean(found, 0)
        assert abs(each.mean() - of[f"torus_4x4_{wanted}"]) < 4 * each.std() / math.sqrt(batch)
    variance = np.mean([(16 * energy).var() for energy in energies])
    assert variance == pytest.approx(of["torus_4x4_energy_variance"], rel=0.08)


def test_the_magnetisation_below_the_critical_temperature_is_that_of_onsager_and_yang() -> None:
    of = oracle("ising", "beta_0.5").parameters
    one = motor(Ising(0.5), (64, 64), batch=2, seed=2, initial=torch.ones(1, 64, 64))
    one.step(60)
    sizes, energies = [], []
    for _ in range(15):
        one.step(10)
        sizes.append(one.read("magnetisation").numpy())
        energies.append(one.read("spin_energy").numpy() / 64**2)
    assert np.mean(sizes) == pytest.approx(of["infinite_magnetisation"], abs=0.01)
    assert np.mean(energies) == pytest.approx(of["infinite_energy_per_site"], abs=0.01)
    hot = motor(Ising(0.3), (64, 64), batch=2, seed=2, initial=torch.ones(1, 64, 64))
    hot.step(100)
    assert float(hot.read("magnetisation").abs().max()) < 0.15
    energy = float(hot.read("spin_energy").mean()) / 64**2
    assert energy == pytest.approx(oracle("ising", "beta_0.3").parameters["infinite_energy_per_site"], abs=0.03)


def test_the_contact_process_dies_out_below_its_threshold_and_survives_above() -> None:
    """At 1.6488 in two dimensions and 3.2978 in one; a little higher for long steps."""

    def share(rate: float, grid: tuple[int, ...], steps: int) -> float:
        one = motor(ContactProcess(rate, dt=0.5), grid, seed=3, initial=torch.ones(1, *grid))
        one.step(steps)
        return float(one.cells.mean())

    assert share(0.8, (24, 24), 100) == 0
    assert share(2.4, (24, 24), 100) > 0.3
    assert share(1.6, (150,), 150) == 0
    assert share(4.8, (150,), 150) > 0.3


def test_an_epidemic_among_all_cells_follows_the_mean_field() -> None:
    """Every cell is a neighbour of every other: S' = S (1 - b)^I, I' = I + new - g I."""
    side, infection, recovery = 41, 0.2 / 41**2, 0.1
    law = SIR(infection, recovery, radius=side // 2)
    start = torch.zeros(1, 1, side, side)
    start[0, 0, :3] = 1
    one = motor(law, (side, side), seed=5, initial=start)
    healthy, ill = side * (side - 3.0), 3.0 * side
    for _ in range(6):
        one.step(5)
        for _ in range(5):
            new = healthy * (1 - (1 - infection) ** ill)
            healthy, ill = healthy - new, ill + new - recovery * ill
        assert float(one.read("count_0")) == pytest.approx(healthy, abs=100)
        assert float(one.read("count_1")) == pytest.approx(ill, abs=100)


def test_below_one_secondary_case_an_epidemic_stays_small_and_above_it_does_not() -> None:
    def ever_ill(infection: float) -> float:
        one = motor(SIR(infection, 0.25, radius=3), (48, 48), seed=1)
        one.step(90)
        return 1 - float(one.read("count_0")) / 48**2

    # 48 neighbours: R_0 = 48 infection / 0.25.
    assert ever_ill(0.5 * 0.25 / 48) < 0.02
    assert ever_ill(2.5 * 0.25 / 48) > 0.5


def test_as_many_trees_grow_as_burn_in_a_forest_at_balance() -> None:
    growth = 0.05
    one = motor(ForestFire(growth, 0.001), (64, 64), seed=2)
    one.step(80)
    shares = []
    for _ in range(100):
        one.step(1)
        shares.append([float(one.read(f"count_{state}")) / 64**2 for state in range(3)])
    empty, trees, fires = np.mean(shares, 0)
    assert fires == pytest.approx(growth * empty, rel=0.05)
    assert 0.2 < trees < 0.6


def test_noise_depends_on_seed_universe_and_step_alone() -> None:
    def run(chunks: list[int], batch: int, seed: int = 0) -> Tensor:
        initial = torch.randint(2, (1, 12, 12), generator=torch.Generator().manual_seed(1)).float()
        one = motor(Ising(0.3), (12, 12), batch=batch, seed=seed, initial=initial)
        for steps in chunks:
            one.step(steps)
        return one.cells

    three = run([9], 3)
    assert torch.equal(run([4, 5], 1)[0], three[0])
    assert not torch.equal(three[1], three[0])
    assert not torch.equal(run([9], 1, seed=1), three[:1])
