"""The pool of growing states: batches, damage, loss, and a law that learns from it."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from aetheria.core.errors import ConfigError, StateError
from aetheria.laws import GrowingNCA
from aetheria.training.damage import Damage
from aetheria.training.growth import GrowthPool
from aetheria.training.trainer import normalise_gradients


def square(side: int = 4) -> torch.Tensor:
    return torch.ones(4, side, side) * torch.tensor([0.8, 0.2, 0.0, 1.0])[:, None, None]


def growth(**changes: Any) -> GrowthPool:
    settings: dict[str, Any] = {"pool": 12, "batch": 4, "damaged": 1, "steps": (3, 5), "seed": 1}
    return GrowthPool(GrowingNCA(6, 8), square(), (10, 12), **(settings | changes))


def fill_pool(pool: GrowthPool) -> None:
    """States of known, different errors: the more of the target, the better."""
    for place in range(len(pool.pool)):
        pool.pool[place] = 0
        pool.pool[place, :4] = pool.target * place / (len(pool.pool) - 1)
        pool.pool[place, 4:] = place


def test_a_picture_larger_than_the_grid_is_refused() -> None:
    with pytest.raises(StateError, match="11 x 11 pixels on a grid of 10 x 12"):
        GrowthPool(GrowingNCA(6, 8), square(11), (10, 12))


@pytest.mark.parametrize("wrong", [{"batch": 13}, {"batch": 0}, {"damaged": 4}, {"steps": (5, 3)}, {"steps": (0, 3)}])
def test_numbers_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        growth(**wrong)


def test_the_picture_lies_in_the_middle() -> None:
    target = growth().target
    assert target.shape == (4, 10, 12)
    assert torch.equal(target[:, 3:7, 4:8], square())
    assert float(target.sum()) == pytest.approx(float(square().sum()))


# -- what is drawn -----------------------------------------------------------------------------------------------


def test_the_worst_begins_again_and_the_best_are_damaged() -> None:
    pool = growth(damaged=2)
    fill_pool(pool)
    batch = pool.draw(0)
    assert len(set(batch.slots.tolist())) == 4
    assert batch.slots.tolist() == sorted(batch.slots.tolist())  # of error falling, as the pool was filled
    assert torch.equal(batch.cells[0], pool.start)
    assert torch.equal(batch.cells[1], pool.pool[batch.slots[1]])
    for i in (2, 3):
        lost = (batch.cells[i, 4] == 0) & (pool.pool[batch.slots[i], 4] > 0)
        assert 0 < int(lost.sum()) < lost.numel() / 2
        assert (batch.cells[i][:, lost] == 0).all()
        assert torch.equal(batch.cells[i][:, ~lost], pool.pool[batch.slots[i]][:, ~lost])


def test_a_batch_depends_on_seed_step_and_pool_alone() -> None:
    one, other = growth(), growth()
    fill_pool(one)
    other.load_state_dict(one.state_dict())
    for _ in range(3):
        one.draw(7)
    first, again = one.draw(5), other.draw(5)
    assert torch.equal(first.cells, again.cells)
    assert torch.equal(first.memory[0], again.memory[0])
    assert first.steps == again.steps
    assert not torch.equal(one.draw(6).memory[0], first.memory[0])
    assert {one.draw(i).steps for i in range(40)} == {3, 4, 5}
    with pytest.raises(StateError, match="pool"):
        growth(pool=13).load_state_dict(one.state_dict())


def test_damage_is_a_disc_or_a_half() -> None:
    wounds = [Damage(0.25).mask(60, 80, random.Random(i)) for i in range(400)]
    corners = [int(w[[0, 0, -1, -1], [0, -1, 0, -1]].sum()) for w in wounds]  # no disc reaches one
    discs = [int(w.sum()) for w, count in zip(wounds, corners, strict=True) if not count]
    halves = [w for w, count in zip(wounds, corners, strict=True) if count]
    assert max(corners) < 4
    assert 150 < len(halves) < 250
    assert 0.9 * np.pi * 6**2 < min(discs) < max(discs) < np.pi * 24**2
    assert max(discs) > 0.7 * np.pi * 24**2
    for half in halves:
        assert 0.3 < half.float().mean() < 0.7
    middles = [(30, 2), (30, -3), (2, 40), (-3, 40)]  # of the four sides: each is lost by some
    assert all(any(half[place] for half in halves) for place in middles)


def test_the_pool_stores_finite_states_only() -> None:
    pool = growth()
    fill_pool(pool)
    before, batch = pool.pool.clone(), pool.draw(0)
    grown = torch.full_like(batch.cells, 0.25)
    grown[1, 0, 0, 0] = torch.nan
    pool.store(batch.slots, grown)
    for i, place in enumerate(batch.slots.tolist()):
        assert torch.equal(pool.pool[place], pool.start if i == 1 else grown[i])
    others = [place for place in range(12) if place not in batch.slots.tolist()]
    assert torch.equal(pool.pool[others], before[others])


# -- how it is judged --------------------------------------------------------------------------------------------


def test_the_loss_is_of_colours_and_of_values_that_would_not_last() -> None:
    pool = growth()
    cells = torch.zeros(2, 6, 10, 12)
    cells[:, :4] = pool.target
    assert float(pool.loss(cells)) == 0
    cells[0, 5, 0, 0] = -5  # hidden: 3 beyond -2
    assert float(pool.loss(cells)) == pytest.approx(3 / cells.numel())
    cells[0, 5, 0, 0] = 2
    cells[1, 3, 0, 0] = 1  # alpha where there is none
    np.testing.assert_allclose(pool.error(cells), [0, 1 / 480], rtol=1e-5)
    assert pool.picture_error(cells).tolist() == [0, 0]  # beside it
    cells[1, 0, 3, 4] += 0.5  # its corner
    np.testing.assert_allclose(pool.picture_error(cells), [0, 0.25 / 64], rtol=1e-5)


def test_gradients_have_the_length_one() -> None:
    law = GrowingNCA(6, 8)
    law.hidden.weight.grad = given = torch.randn(8, 18, 1, 1) * 1e4
    direction = given / given.norm()
    normalise_gradients(law)
    torch.testing.assert_close(law.hidden.weight.grad, direction)
    assert law.update.weight.grad is None


def test_a_law_learns_to_grow_a_square() -> None:
    """Judged by the law itself, stepped from one cell."""
    torch.manual_seed(0)
    law = GrowingNCA(8, 24, fire_rate=1.0)
    pool = GrowthPool(law, square(), (8, 8), pool=16, batch=4, damaged=1, steps=(8, 12), seed=3)
    optimizer = torch.optim.Adam(law.parameters(), 8e-3)
    for number in range(120):
        if number == 80:
            optimizer.param_groups[0]["lr"] /= 4
        batch = pool.draw(number)
        cells = pool.grow(law, batch.cells, batch.memory, batch.steps)
        optimizer.zero_grad()
        pool.loss(cells).backward()
        normalise_gradients(law)
        optimizer.step()
        pool.store(batch.slots, cells)
    state: tuple[torch.Tensor, ...] = (pool.start[None], *law.initial_memory(pool.start[None], 77))
    untrained = float(pool.error(state[0]))
    with torch.inference_mode():
        for _ in range(10):
            state = law(*state)
    assert untrained > 0.09
    assert float(pool.error(state[0])) < untrained / 3
