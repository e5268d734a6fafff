"""The C++ kernel for small networks: every configuration of `NCA` against the law in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria import Aetheria_Motor
from aetheria.core.errors import LawError
from aetheria.laws import NCA, build_law
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.hash_noise import Place
from aetheria.laws.local_network import CellNetwork, Dense, Steering, one_hot
from aetheria.stepping.cpu.local_network import FusedOnCpu, why_not
from aetheria.stepping.plan import State
from tests.small_laws import small_law, stepper

SIDES = {1: (203,), 2: (13, 37), 3: (5, 6, 29)}
WIDE = {1: (1007,), 2: (40, 205), 3: (3, 10, 101)}  # several tiles and chunks
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "laplacian": {"perception": ["identity", "sobel", "laplacian"]},
    "learned": {"perception": ["learned"], "kernels": 7},
    "learned beside others": {"perception": ["identity", "learned", "sobel"], "kernels": 6, "activation": "silu"},
    "learned first": {"perception": ["learned", "laplacian"], "kernels": 9, "activation": "elu"},
    "tanh, two layers": {"activation": "tanh", "hidden_channels": [9, 6]},
    "inputs and a mask": {"inputs": 2, "activation": "elu"},
    "kept and a mask": {"kept": [0, 4]},
    "kept alive channel": {"kept": [3], "inputs": 1, "alive_channel": 3},
    "no mask": {"alive_mask": False, "kept": [1], "activation": "silu"},
    "all fire": {"fire_rate": 1.0, "inputs": 1},
}
STEERABLE: dict[str, dict[str, Any]] = {
    "steerable": {"preset": "steerable"},
    "steerable, learned before": {"preset": "steerable", "perception": ["learned", "sobel", "identity"], "kernels": 5},
}


def moving(channels: int = 7, hidden_channels: Any = 10, seed: int = 3, **given: Any) -> NCA:
    """A law whose network has weights that make cells live and die."""
    law = build_law("NCA", seed=seed, channels=channels, hidden_channels=hidden_channels, **given)
    assert isinstance(law, NCA)
    generator = torch.Generator().manual_seed(seed)
    for parameter in law.update.parameters():
        torch.nn.init.normal_(parameter, std=0.15, generator=generator)
    return law


def start(law: Law, grid: tuple[int, ...], batch: int = 2) -> State:
    """Blots of living cells in an empty grid; inputs and kept channels everywhere."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.randn(batch, law.channels, *grid, generator=generator)
    living = torch.rand(batch, 1, *grid, generator=generator) < {1: 0.05, 2: 0.03, 3: 0.01}[len(grid)]
    still = set(getattr(law, "kept", ())) - {law.alive[0] if law.alive else -1}
    own = torch.tensor([channel not in still for channel in range(law.channels)])
    cells = torch.where(own.view(-1, *[1] * len(grid)) & ~living, cells * 0.02, cells)
    return (cells, *law.initial_memory(cells, 5))  # type: ignore[call-arg]  # the seed of a law that draws


class Given(Law):
    """A law that is nothing but its network, for the kernel alone."""

    ranks = (1, 2, 3)

    def __init__(self, network: CellNetwork) -> None:
        super().__init__()
        self.network, self.channels = network, network.channels

    def cell_network(self) -> CellNetwork:
        return self.network


def fused(law: Law, state: State, steps: int) -> State:
    plan = FusedOnCpu(law)
    return plan.unpack(plan.advance(plan.pack(tuple(tensor.clone() for tensor in state)), steps))


def exact(law: Law, state: State, steps: int) -> Tensor:
    """The law's own code in float64."""
    law = law.double()
    state = (state[0].double(), *state[1:])
    for number in range(steps):
        state = stepper(law)(state, number)
    law.float()
    return state[0]


def check(law: Law, grid: tuple[int, ...], steps: int = 4) -> None:
    assert not why_not(law, "fp32")
    state = start(law, grid)
    cells, wanted = fused(law, state, steps)[0].double(), exact(law, state, steps)
    torch.testing.assert_close(cells, wanted, rtol=0, atol=2e-5 * float(wanted.abs().max()))
    assert not torch.equal(cells, state[0].double())
    if law.alive is not None:
        assert 0.02 < float((wanted[:, 1] == 0).double().mean()) < 0.98  # some cells are dead, some live


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_configuration_equals_the_law_in_float64(kind: str, rank: int) -> None:
    boundary = BOUNDARIES[(list(KINDS).index(kind) + rank) % 3]  # each with each rank, and with some of the kinds
    check(moving(**KINDS[kind], rank=rank, boundary=boundary), SIDES[rank])


@pytest.mark.parametrize(("kind", "boundary"), [*zip(STEERABLE, BOUNDARIES, strict=False), ("steerable", "zero")])
def test_steerable_laws_equal_the_law_in_float64(kind: str, boundary: str) -> None:
    check(moving(**STEERABLE[kind], boundary=boundary), SIDES[2])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_window_of_a_larger_grid_fires_as_the_grid_does(rank: int) -> None:
    law = moving(rank=rank)
    law.place = Place((-3, 4, 25)[3 - rank :], (7, 11, 40)[3 - rank :])
    check(law, SIDES[rank], 2)


def test_fire_rates_and_decays_for_another_number_of_universes_are_refused() -> None:
    law = moving()
    law.fire_rate = torch.tensor([0.5, 0.25, 0.1])  # type: ignore[assignment]  # a control takes tensors, too
    with pytest.raises(LawError, match="fire_rate: 3 numbers given; expected one, or one for each of the 2 universes"):
        fused(law, start(law, SIDES[2]), 1)


def test_angles_of_any_size_turn_by_their_sine_and_cosine() -> None:
    """A law whose change is the gradients themselves, of a plane that rises along x."""
    angles = torch.tensor([0.0, 0.5, -0.7, 0.8, 2.5, -3.1, 100.0, -5e3, 9.9e5, 3e6, 1e20])
    cells = torch.zeros(1, 3, 3, len(angles))
    cells[0, 0] = torch.arange(3.0)[:, None]  # rises along y
    cells[0, 2] = angles
    identity = Dense(torch.eye(6), None, "none")
    wanted = torch.zeros(3, 6)
    wanted[0, 0], wanted[1, 3] = 1, 1  # x and y gradients of channel 0
    filters = (((0.0,) * 3, (-1.0, 0.0, 1.0), (0.0,) * 3), ((0.0, -1.0, 0.0), (0.0,) * 3, (0.0, 1.0, 0.0)))
    network = CellNetwork(filters, (identity, Dense(wanted, None, "none")), "reflect", steering=Steering(2, 0, 1))
    turned = fused(Given(network), (cells,), 1)[0][0, :2, 1] - cells[0, :2, 1]
    expected = 2 * torch.stack((angles.double().sin(), angles.double().cos()))
    torch.testing.assert_close(turned.double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("activation", ["elu", "tanh", "silu"])
def test_activations_are_accurate(activation: Any) -> None:
    """To 3e-7 of the value, or of 1 where the function is less: torch in float64 is the reference."""
    inputs = torch.cat((torch.linspace(-30, 30, 4001), torch.tensor([-1e4, -88.0, -1e-3, -1e-30, 0.0, 1e-30, 1e-3, 88.0, 1e4])))
    functions: dict[str, Callable[[Tensor], Tensor]] = {"elu": F.elu, "tanh": torch.tanh, "silu": F.silu}
    expected = functions[activation](inputs.double())
    hidden = Dense(torch.tensor([[1.0, 0.0]]), None, activation)
    network = CellNetwork(one_hot((1,)), (hidden, Dense(torch.tensor([[0.0], [1.0]]), None, "none")), "periodic")
    found = fused(Given(network), (torch.stack((inputs, torch.zeros_like(inputs)))[None],), 1)[0][0, 1].double()
    assert float(((found - expected).abs() / expected.abs().clamp_min(1)).max()) < 3e-7
    nan = fused(Given(network), (torch.full((1, 2, 4), torch.nan),), 1)[0]
    assert nan.isnan().all()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_threads_tiles_and_calls_change_no_bit(rank: int) -> None:
    law = moving(rank=rank, perception=["identity", "learned", "sobel"], kernels=4, inputs=1, hidden_channels=40)
    state = start(law, WIDE[rank])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fused(law, state, 6)
        torch.set_num_threads(3)
        other = fused(law, fused(law, state, 1), 5)
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, one, other))
    check(law, WIDE[rank], 2)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MLP", {"normalise": "cell"}),
        ("DEEP_QCA", {"normalise": "cell"}),
        *(("NCA", {"activation": activation, "fire_rate": 1.0}) for activation in ("relu", "elu", "tanh", "silu")),
    ],
)
def test_a_cell_comes_out_the_same_in_any_lane_of_any_group(name: str, settings: dict[str, Any]) -> None:
    """Tiles of a split grid begin anywhere: groups of vectors and single ones must round alike."""
    law = small_law(name, 2, **settings)
    assert isinstance(law, Law)
    cells = torch.randn(1, law.channels, 6, 50, generator=torch.Generator().manual_seed(1)) * 0.3

    def stepped(first: Tensor) -> Tensor:
        with Aetheria_Motor(law, (6, 50), None, "cpu", {"plan": "fused"}, initial=first) as motor:
            motor.step(1)
            return motor.cells

    expected = stepped(cells)
    for moved in range(1, 50):
        assert torch.equal(stepped(cells.roll(-moved, 3)).roll(moved, 3), expected), moved
