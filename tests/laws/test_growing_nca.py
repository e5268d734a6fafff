"""Growing NCA: the trained lizard, its fire mask, and one step against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.laws import GrowingNCA, load_weights
from aetheria.laws.hash_noise import fire_mask, hash_words, mix
from aetheria.motor.motor import Aetheria_Motor
from tests.paths import GOLDEN, ROOT

Array = NDArray[np.float64]
LIZARD = ROOT / "configs/weights/growing_nca_lizard.safetensors"
WORD = 2**32


def lizard(**changes: Any) -> GrowingNCA:
    law = GrowingNCA(**changes)
    load_weights(law, LIZARD)
    return law


def nca(law: GrowingNCA, grid: int | tuple[int, int] = 96, *, precision: str = "fp32", **changes: Any) -> Aetheria_Motor:
    return Aetheria_Motor(law, grid, law.channels, "cpu", {"plan": "eager", "precision": precision}, **changes)


# -- the lizard --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown() -> dict[str, Any]:
    """The state of a lizard of 400 steps, grown from one cell."""
    motor = nca(lizard())
    motor.step(400)
    return motor.state_dict()


@pytest.fixture(scope="module")
def golden() -> Array:
    """What it looked like when a person looked at it: head up left, curled tail down right, on white. (96, 96, 3)."""
    with Image.open(GOLDEN / "lizard.png") as image:
        return np.asarray(image.convert("RGB"), np.float64) / 255


def picture(motor: Aetheria_Motor) -> Array:
    return motor.read("rgb")[0].permute(1, 2, 0).double().numpy()


def apart(one: Array, other: Array) -> float:
    """Root mean square difference of two pictures; 1 is black against white."""
    return float(np.sqrt(np.square(one - other).mean()))


def test_a_single_cell_grows_into_the_lizard_in_400_steps(grown: dict[str, Any], golden: Array) -> None:
    motor = nca(lizard())
    motor.load_state_dict(grown)
    shown = picture(motor)
    # Other seeds, which fire other cells, come out 0.003 to 0.023 apart.
    assert apart(shown, golden) < 0.01
    assert min(apart(shown, golden[:, ::-1]), apart(shown, golden[::-1]), apart(shown, np.ones_like(golden))) > 0.1


def test_the_lizard_regrows_after_half_of_it_is_erased(grown: dict[str, Any], golden: Array) -> None:
    motor = nca(lizard())
    motor.load_state_dict(grown)
    cells = motor.cells
    cells[..., 48:, :] = 0
    motor.set_cells(cells)
    assert apart(picture(motor), golden) > 0.08
    motor.step(200)
    assert apart(picture(motor), golden) < 0.03


def test_nothing_grows_from_nothing() -> None:
    motor = nca(lizard(), 24, initial=torch.zeros(16, 24, 24))
    motor.step(5)
    assert not motor.cells.any()


def test_an_untrained_law_leaves_the_seed_as_it_is() -> None:
    motor = nca(GrowingNCA(), 12)
    before = motor.cells
    motor.step(10)
    assert torch.equal(motor.cells, before)
    assert float(before.sum()) == 13


# -- the fire mask -----------------------------------------------------------------------------------------------


def lowbias32(word: int) -> int:
    """Wellons' published hash, in Python's own integers."""
    word ^= word >> 16
    word = word * 0x7FEB352D % WORD
    word ^= word >> 15
    word = word * 0x846CA68B % WORD
    return word ^ (word >> 16)


def python_word(seed: int, universe: int, step: int, *cell: int) -> int:
    """The word of one cell: the hash chained over the halves of seed, universe and step, then the cell's place by axes."""
    golden, key = 0x9E3779B9, 0
    for part in (seed, seed >> 32, universe, step, step >> 32):
        key = lowbias32((key * golden ^ part) % WORD)
    for place in cell:
        key = lowbias32((key + place * golden) % WORD)
    return key


def drawn(seed: int, step: int, universes: int = 1, grid: tuple[int, ...] = (256, 256)) -> torch.Tensor:
    pair = torch.tensor([[seed, u] for u in range(universes)])
    return hash_words(pair, torch.full((universes,), step), grid)


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (7, 399), (2**31 - 1, 2**32 + 5), (2**63 - 1, 2**40), (-3, 1)])
@pytest.mark.parametrize("grid", [(7,), (5, 6), (3, 4, 5)])
def test_the_words_are_those_of_python_integers(seed: int, step: int, grid: tuple[int, ...]) -> None:
    given = drawn(seed, step, 3, grid)
    for universe, *cell in np.ndindex(3, *grid):
        assert int(given[(universe, *cell)]) == python_word(seed, universe, step, *cell)


def test_the_scrambler_is_one_to_one() -> None:
    given = mix(torch.arange(0, 2**32, 4099))
    assert len(set(given.tolist())) == len(given)
    assert int(given.min()) >= 0
    assert int(given.max()) < WORD
    assert int(mix(torch.tensor(1))) == lowbias32(1)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_cells_fire_at_the_rate_within_binomial_error(rate: float) -> None:
    fired = torch.cat([fire_mask(torch.tensor([[3, 0], [3, 1]]), torch.tensor([t, t]), (128, 128), rate) for t in range(8)])
    sigma = np.sqrt(rate * (1 - rate) / fired.numel())
    assert abs(float(fired.double().mean()) - rate) < 4 * sigma
    # Every step, universe and row by itself too: no band of cells that fires more.
    for part, count in ((fired.double().mean((1, 2)), 128 * 128), (fired.double().mean((0, 2)), 16 * 128)):
        assert float((part - rate).abs().max()) < 5 * np.sqrt(rate * (1 - rate) / count)


def test_a_fire_rate_of_one_fires_every_cell() -> None:
    assert fire_mask(torch.tensor([[0, 0]]), torch.tensor([0]), (200, 200), 1.0).all()


def test_the_mask_of_a_universe_does_not_depend_on_its_batch_or_grid() -> None:
    together = drawn(5, 9, 4, (30, 40))
    for universe in range(4):
        assert torch.equal(hash_words(torch.tensor([[5, universe]]), torch.tensor([9]), (30, 40))[0], together[universe])
    assert torch.equal(drawn(5, 9, 4, (20, 17)), together[:, :20, :17])


def test_no_two_of_step_universe_seed_or_neighbour_look_alike() -> None:
    here = drawn(1, 1)[0]
    others = {
        "the next step": drawn(1, 2)[0],
        "the step 2^32 later": drawn(1, 2**32 + 1)[0],
        "the next seed": drawn(2, 1)[0],
        "the universe before the seed": drawn(0, 1, 2)[1],
        "the seed 2^32 later": drawn(2**32 + 1, 1)[0],
        "the next universe": drawn(1, 1, 2)[1],
        "the neighbour to the right": here.roll(1, 1),
        "the neighbour below": here.roll(1, 0),
        "the diagonal neighbour": here.roll((1, 1), (0, 1)),
        "the other diagonal neighbour": here.roll((1, -1), (0, 1)),
        "the transpose": here.T,
    }
    mine = here.double() / WORD - 0.5
    for name, other in others.items():
        theirs = other.double() / WORD - 0.5
        # Words, and whether they fire at one half: each correlation is 0 within 5 standard errors of 256^2 samples.
        for a, b in ((mine, theirs), (mine.sign(), theirs.sign())):
            correlation = float((a * b).mean() / (a.square().mean() * b.square().mean()).sqrt())
            assert abs(correlation) < 5 / 256, name
    assert abs(float(mine.mean())) < 5 * np.sqrt(1 / 12) / 256


def test_a_run_interrupted_and_restarted_fires_the_same_cells() -> None:
    whole, first, second = nca(lizard(), 24, seed=4), nca(lizard(), 24, seed=4), nca(lizard(), 24, seed=0)
    whole.step(12)
    first.step(5)
    second.load_state_dict(first.state_dict())
    second.step(7)
    assert torch.equal(second.cells, whole.cells)
    assert not torch.equal(whole.cells, _grown_with(5))


def _grown_with(seed: int) -> torch.Tensor:
    motor = nca(lizard(), 24, seed=seed)
    motor.step(12)
    return motor.cells


# -- one step ----------------------------------------------------------------------------------------------------


def numpy_step(cells: Array, weights: dict[str, Array], fired: NDArray[np.bool_], boundary: str) -> Array:
    """The published algorithm on `(C, H, W)`, from explicit windows."""
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]

    def windows(values: Array) -> Array:
        wide = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode=mode)
        return np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (1, 2))

    def living(values: Array) -> NDArray[np.bool_]:
        # Beyond a "zero" edge alpha is 0; in a window of negative alphas that is the largest, and still not alive.
        return windows(values[3:4])[0].max((2, 3)) > 0.1

    sobel = np.outer([1, 2, 1], [-1, 0, 1]) / 8
    across = np.einsum("chwij,ij->chw", windows(cells), sobel)
    down = np.einsum("chwij,ji->chw", windows(cells), sobel)
    seen = np.concatenate([cells, across, down])
    hidden = np.einsum("oc,chw->ohw", weights["hidden.weight"][:, :, 0, 0], seen) + weights["hidden.bias"][:, None, None]
    delta = np.einsum("oc,chw->ohw", weights["update.weight"][:, :, 0, 0], np.maximum(hidden, 0))
    moved = cells + (delta + weights["update.bias"][:, None, None]) * fired
    return moved * (living(cells) & living(moved))


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_twenty_steps_of_the_trained_law_equal_numpy(boundary: Any) -> None:
    law = lizard(boundary=boundary)
    # Near the corner, so that the edge comes into play while it grows.
    start = torch.zeros(16, 14, 18)
    start[3:, 3, 2] = 1
    motor = nca(law, (14, 18), precision="fp64", initial=start, seed=21)
    weights = {name: tensor.numpy() for name, tensor in law.state_dict().items()}
    cells = start.double().numpy()
    for step in range(20):
        fired = np.array([[python_word(21, 0, step, y, x) < WORD // 2 for x in range(18)] for y in range(14)])
        cells = numpy_step(cells, weights, fired, boundary)
        motor.step(1)
        np.testing.assert_allclose(motor.cells[0].numpy(), cells, rtol=0, atol=1e-12)
    assert (cells[3] > 0.1).sum() > 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 3}, "channels: 3 given; expected at least 4"),
        ({"hidden_channels": 0}, "hidden_channels: 0 given"),
        ({"fire_rate": 0.0}, r"fire_rate: 0\.0 given"),
        ({"fire_rate": 1.1}, r"fire_rate: 1\.1 given"),
        ({"fire_rate": float("nan")}, "fire_rate: nan given"),
        ({"boundary": "torus"}, "expected one of periodic, zero, reflect"),
    ],
)
def test_parameters_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.growingnca\].*" + message):
        GrowingNCA(**settings)


@pytest.mark.gpu
def test_a_gpu_draws_the_same_words() -> None:
    seed, step = torch.tensor([[9, 0], [9, 1]]), torch.tensor([4, 5])
    assert torch.equal(hash_words(seed.cuda(), step.cuda(), (33, 65)).cpu(), hash_words(seed, step, (33, 65)))
