"""NCA: kinds of neural automata against CAX and NumPy, presets, channels that stay, symmetries, fused plans, bad input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws import NCA, GrowingNCA, build_law
from aetheria.laws.neural.nca_presets import PRESETS
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu.local_network import why_not
from aetheria.stepping.gpu.local_network import why_not as why_not_on_gpu
from tests.oracles import Oracle, oracle
from tests.small_laws import stepper

ALL = "identity", "sobel", "laplacian"


def moving(law: NCA, seed: int = 0) -> NCA:
    """The law with random weights in its last layer, which else leaves every cell as it is."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in law.update.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator)
    return law


def stepped(law: NCA, cells: Tensor, steps: int = 1) -> Tensor:
    state: tuple[Tensor, ...] = (cells, *law.initial_memory(cells, 3))
    step = stepper(law)
    for _ in range(steps):
        state = step(state)
    return state[0]


# -- oracles -------------------------------------------------------------------------------------------------------


def channel_major(channels: int, blocks: list[int]) -> list[int]:
    """Places of our inputs (block by block) among inputs that come channel by channel."""
    return [channel * len(blocks) + block for block in blocks for channel in range(channels)]


def loaded(law: NCA, of: Oracle, rows: NDArray[np.float64]) -> NCA:
    """The law with the weights of a case, whose first layer has these rows, one an input."""
    bias = of.arrays.get("b2", np.zeros(law.channels))
    tensors = {"hidden.weight": rows.T, "hidden.bias": of.arrays["b1"], "update.weight": of.arrays["w2"].T, "update.bias": bias}
    if law.perception == ("learned",):
        tensors |= {
            "learned.weight": np.moveaxis(of.arrays["kernel"], (-1, -2), (0, 1)),
            "learned.bias": of.arrays["kernel_bias"],
        }
    law = law.double()
    shapes = {name: tensor.shape for name, tensor in law.state_dict().items()}
    law.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(t)).reshape(shapes[name]) for name, t in tensors.items()})
    return law


def _growing(of: Oracle, **given: Any) -> NCA:
    """There gradients come along the first axis first, after the value, channel by channel."""
    rank, c = of.arrays["input"].ndim - 1, of.arrays["input"].shape[-1]
    rows = of.arrays["w1"][channel_major(c, [0, *range(rank, 0, -1)])]
    law = NCA(c, len(of.arrays["b1"]), rank=rank, fire_rate=1.0, boundary="zero", alive_channel=c - 1, **given)
    return loaded(law, of, rows)


def _blocks(of: Oracle, factors: list[float], **given: Any) -> NCA:
    """There the blocks have factors of their own."""
    c = of.arrays["input"].shape[-1]
    rows = of.arrays["w1"] * np.repeat(factors, c)[:, None]
    return loaded(NCA(c, len(of.arrays["b1"]), fire_rate=1.0, alive_mask=False, **given), of, rows)


def _classifying(of: Oracle) -> NCA:
    c, kernels = of.arrays["kernel"].shape[-2:]
    given: dict[str, Any] = {
        "preset": "self_classifying",
        "kernels": kernels,
        "kept": [c - 1],
        "alive_channel": c - 1,
        "boundary": "zero",
    }
    return loaded(NCA(c, len(of.arrays["b1"]), fire_rate=1.0, **given), of, of.arrays["w1"])


KINDS: dict[str, Callable[[Oracle], NCA]] = {
    "growing_2d": _growing,
    "growing_3d": _growing,
    "arc_1d": lambda of: _growing(of, alive_mask=False),
    "self_classifying_2d": _classifying,
    "texture_2d": lambda of: _blocks(of, [1, 8, 8, 16], perception=list(ALL)),
    "isotropic_2d": lambda of: _blocks(of, [1, 1], preset="isotropic"),
    "steerable_2d": lambda of: _blocks(of, [1, 1, 1, 1], preset="steerable"),
}


@pytest.mark.parametrize("case", KINDS)
def test_each_kind_steps_as_cax_and_numpy_do(case: str) -> None:
    of = oracle("neural", case)
    law = KINDS[case](of)
    start = torch.from_numpy(np.moveaxis(of.arrays["input"], -1, 0).copy())[None]
    for (cells, *_), expected in of.followed((start, *law.initial_memory(start)), stepper(law)):
        wanted = torch.from_numpy(np.moveaxis(expected, -1, 0).copy())[None]
        torch.testing.assert_close(cells, wanted, rtol=0, atol=1e-6 * float(wanted.abs().max()))
        assert float((wanted - start).abs().max()) > 0.01


def test_growing_nca_is_the_preset_growing_to_the_last_bit() -> None:
    one, other = build_law("GrowingNCA", seed=5), build_law("NCA", seed=5)
    assert isinstance(one, GrowingNCA)
    assert isinstance(other, NCA)
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())
    moving(one), moving(other)
    cells = torch.rand(2, 16, 9, 10)
    assert torch.equal(stepped(one, cells, 3), stepped(other, cells, 3))


# -- channels, masks and symmetries --------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_steps_and_states_what_it_is(preset: Any) -> None:
    law = moving(NCA(preset=preset, fire_rate=1.0))
    assert law.ranks == (1,) if preset == "arc_1d" else (2,)
    motor = Aetheria_Motor(law, (12,) * law.ranks[0], law.channels, "cpu", {"plan": "eager"}, initial="noise")
    start = motor.cells
    motor.step(2)
    changed = (motor.cells != start).flatten(2).any(2)[0]
    own = law.channels - law.inputs
    assert changed.tolist() == [k < own and k not in law.kept for k in range(law.channels)]
    assert (law.alive is not None) == ("population" in law.fields) == law.alive_mask


def test_inputs_are_read_and_changed_by_nothing_not_even_death() -> None:
    law = moving(NCA(7, 8, inputs=2, fire_rate=1.0))
    cells = torch.zeros(2, 7, 8, 8)
    cells[:, :5, 4, 4] = 1
    fed = law.feed(cells, torch.tensor([[0.0, 0.0], [1.0, -2.0]]))
    after = stepped(law, fed, 4)
    assert torch.equal(after[:, 5:], fed[:, 5:])
    assert (after[:, :5, 0, 0] == 0).all()
    assert not torch.equal(after[0, :5], after[1, :5])
    whole = law.feed(cells, torch.rand(2, 2, 8, 8))
    assert torch.equal(whole[:, :5], cells[:, :5])
    with pytest.raises(
        ConfigError, match=r"\[law\.nca\] feed: shape \(3,\) given; expected \(2,\), \(2, 2\) or \(2, 2, \*grid\)"
    ):
        law.feed(cells, [1.0, 2.0, 3.0])


def test_an_isotropic_law_commutes_with_turning_and_mirroring_and_one_of_gradients_does_not() -> None:
    cells = torch.rand(1, 16, 9, 9, dtype=torch.float64)
    for preset, same in (("isotropic", True), ("growing", False)):
        law = moving(NCA(preset=preset, fire_rate=1.0)).double()  # type: ignore[arg-type]  # both are presets
        for turned in (lambda t: t.rot90(1, (2, 3)), lambda t: t.flip(3)):
            assert torch.allclose(stepped(law, turned(cells), 3), turned(stepped(law, cells, 3)), atol=1e-12) == same


def test_a_steerable_law_turns_with_its_angles() -> None:
    """A quarter turn of the grid, against the way from x to y (downwards), takes a quarter turn off every angle."""
    law = moving(NCA(preset="steerable", fire_rate=1.0)).double()
    cells = torch.rand(1, 16, 9, 9, dtype=torch.float64)

    def turned(given: Tensor) -> Tensor:
        given = given.rot90(1, (2, 3)).clone()
        given[:, -1] -= torch.pi / 2
        return given

    # The angle enters through its sine and cosine in the gradients, and as it is in the identity: leave that out.
    with torch.no_grad():
        law.hidden.weight[:, 15::16] = 0
        law.update.weight[15], law.update.bias[15] = 0, 0  # type: ignore[index]  # it has a bias
    alive = law.living(cells)
    assert alive.all()
    assert torch.allclose(stepped(law, turned(cells)), turned(stepped(law, cells)), atol=1e-12)
    assert not torch.allclose(stepped(law, cells.rot90(1, (2, 3))), stepped(law, cells).rot90(1, (2, 3)), atol=1e-6)


# -- plans ---------------------------------------------------------------------------------------------------------

FUSED: dict[str, dict[str, Any]] = {
    "growing": {},
    "several layers, ELU": {"hidden_channels": [24, 16], "activation": "elu"},
    "texture": {"preset": "texture", "boundary": "reflect"},
    "isotropic": {"preset": "isotropic"},
    "learned, a channel kept": {
        "preset": "self_classifying",
        "alive_mask": False,
        "channels": 6,
        "kernels": 16,
        "hidden_channels": 16,
    },
    "inputs without a mask": {"preset": "diffusing", "boundary": "zero"},
    "steerable": {"preset": "steerable"},
    "inputs": {"preset": "conditional", "activation": "silu"},
    "a picture that is kept": {"preset": "self_classifying", "kernels": 12},
    "a row": {"preset": "arc_1d", "activation": "tanh"},
    "in space": {"rank": 3, "perception": ["identity", "learned"], "kernels": 4},
}
GRIDS = {1: (230,), 2: (13, 18), 3: (6, 5, 9)}


@pytest.mark.parametrize("given", FUSED.values(), ids=FUSED)
def test_the_fused_plan_steps_it_whatever_its_perception_and_sizes(given: dict[str, Any]) -> None:
    law = moving(NCA(**given))
    assert not why_not(law, "fp32")
    motors = [
        Aetheria_Motor(law, GRIDS[law.rank], law.channels, "cpu", {"plan": plan}, initial="noise", batch=2)
        for plan in ("eager", "fused")
    ]
    for motor in motors:
        motor.step(5)
    assert motors[1].plan.name == "fused"
    torch.testing.assert_close(motors[1].cells, motors[0].cells, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "given",
    [
        {"preset": "steerable"},
        {"preset": "conditional"},
        {"activation": "tanh"},
        {"perception": ["identity", "learned"], "kernels": 4},
        {"rank": 3},
    ],
    ids=str,
)
def test_what_the_kernel_on_a_gpu_cannot_express_is_not_given_to_it(given: dict[str, Any]) -> None:
    assert "the kernel takes two axes, fixed filters" in why_not_on_gpu(NCA(**given), "fp32")


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 3}, r"channels: 3 given; expected at least 4 \(RGBA\)"),
        ({"channels": 6, "inputs": 3}, r"channels: 6 given; expected at least 7 \(RGBA\)"),
        ({"channels": 4, "alive_channel": 5}, r"channels: 4 given; expected at least 6 \(its alive channel"),
        ({"channels": 0}, "channels: 0 given; expected a whole number of 1 or more"),
        ({"hidden_channels": []}, r"hidden_channels: \[\] given; expected a width"),
        ({"hidden_channels": [8, 0]}, "hidden_channels: 0 given"),
        ({"preset": "growin"}, 'preset: "growin" given; expected one of growing, texture'),
        ({"perception": ["sobel", "sobel"]}, "perception: .* expected some of identity, sobel, laplacian, learned, each once"),
        ({"perception": ["gabor"]}, "perception: .*gabor.* expected some of identity"),
        ({"perception": ["learned"]}, "kernels: 0 given; expected a whole number of 1 or more"),
        ({"activation": "selu"}, 'activation: "selu" given; expected one of relu, elu, tanh, silu'),
        ({"kept": [16]}, "kept channel: 16 given; expected a whole number from 0 to 15"),
        ({"inputs": 16}, "inputs: 16 given; expected a whole number from 0 to 15"),
        ({"steerable": True, "rank": 3}, "steerable: expected two dimensions"),
        ({"preset": "isotropic", "steerable": True}, 'steerable: expected two dimensions and perception "sobel"'),
        ({"fire_rate": 0.0}, r"fire_rate: 0\.0 given; expected 0 < fire_rate <= 1"),
        ({"rank": 4}, "rank: .*4"),
        ({"boundary": "torus"}, "boundary: .*torus.* expected one of periodic, zero, reflect"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.nca\] " + message):
        NCA(**settings)
