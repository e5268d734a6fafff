"""The four networks on amplitudes against NumPy float64, written from the description of their layers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import DEEP_QCA, LAWS, MLP, ConvLSTM, Quantum, Residual, UNet, build_law
from aetheria.laws.layers import make_norm
from aetheria.laws.updates import QuantumLaw
from aetheria.motor.motor import Aetheria_Motor
from tests.small_laws import QUANTUM, small_motor

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
MOORE = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
GRIDS = {1: (12,), 2: (8, 12), 3: (4, 6, 5)}


# -- the layers, on one universe (C, *grid) -----------------------------------------------------------------------


def padded(values: Array, boundary: str) -> Array:
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    return np.pad(values, ((0, 0), *((1, 1),) * (values.ndim - 1)), mode=mode)


def window(wide: Array, corner: tuple[int, ...], grid: tuple[int, ...]) -> Array:
    """The cells of a padded grid from `corner` on."""
    index: Any = (..., *(slice(start, start + side) for start, side in zip(corner, grid, strict=True)))
    return wide[index]


def along(values: Array, like: Array) -> Array:
    """One number a channel, for all cells."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def conv(values: Array, w: Weights, name: str, boundary: str) -> Array:
    """A convolution over 1 or 3 cells along each axis, as a sum over shifts of the padded grid."""
    kernel, grid = w[f"{name}.weight"], values.shape[1:]
    wide = padded(values, boundary) if kernel.shape[-1] == 3 else values
    shifts = list(np.ndindex(kernel.shape[2:]))
    out = sum(np.tensordot(kernel[(..., *shift)], window(wide, shift, grid), 1) for shift in shifts)
    assert isinstance(out, np.ndarray)
    bias = w.get(f"{name}.bias")
    return out if bias is None else out + along(bias, out)


def upconv(values: Array, w: Weights, name: str) -> Array:
    """A 2x2 transposed convolution of stride 2: every cell becomes a square of four."""
    kernel, (height, width) = w[f"{name}.weight"], values.shape[1:]
    out = np.zeros((kernel.shape[1], 2 * height, 2 * width))
    for y in (0, 1):
        for x in (0, 1):
            out[:, y::2, x::2] = np.einsum("co,chw->ohw", kernel[:, :, y, x], values)
    return out + w[f"{name}.bias"][:, None, None]


def pooled(values: Array) -> Array:
    return np.maximum.reduce([values[:, y::2, x::2] for y in (0, 1) for x in (0, 1)])


def elu(values: Array) -> Array:
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0)))


def sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def norm(values: Array, w: Weights, name: str) -> Array:
    """Over the channels of each cell, over groups of 8 channels and the grid, or not at all: whichever has weights."""
    if f"{name}.scale" in w:
        return values / np.sqrt((values**2).mean(0) + 1e-6) * along(w[f"{name}.scale"], values)
    if f"{name}.weight" in w:
        grouped = values.reshape(max(len(values) // 8, 1), -1)
        grouped = (grouped - grouped.mean(1, keepdims=True)) / np.sqrt(grouped.var(1, keepdims=True) + 1e-5)
        return grouped.reshape(values.shape) * along(w[f"{name}.weight"], values) + along(w[f"{name}.bias"], values)
    return values


# -- the networks ------------------------------------------------------------------------------------------------


def per_cell(h: Array, w: Weights) -> Array:
    h = elu(norm(h, w, "norms.0"))
    h = elu(norm(conv(h, w, "hidden", "zero"), w, "norms.1"))
    return conv(h, w, "out", "zero")


def numpy_mlp(cells: Array, w: Weights, law: MLP) -> Array:
    return per_cell(conv(cells, w, "perceive", law.boundary), w)


def numpy_deep_qca(cells: Array, w: Weights, law: DEEP_QCA) -> Array:
    wide, rank = padded(cells, law.boundary), cells.ndim - 1
    seen = [window(wide, shift, cells.shape[1:]) for shift in np.ndindex((3,) * rank) if shift != (1,) * rank]
    return per_cell(conv(np.sum(seen, 0) if law.summed else np.concatenate(seen), w, "perceive", "zero"), w)


def numpy_unet(cells: Array, w: Weights, law: UNet, memory: list[Array]) -> tuple[Array, list[Array]]:
    def block(values: Array, name: str) -> Array:
        for first in (0, 3):  # convolution, norm, ELU; twice
            values = elu(norm(conv(values, w, f"{name}.{first}", law.boundary), w, f"{name}.{first + 1}"))
        return values

    full = block(cells, "down1")
    half = block(pooled(full), "down2")
    low = block(pooled(half), "down3")
    if memory:
        gates = conv(np.concatenate([low, memory[0]]), w, "gates", law.boundary)
        f, i, o, g = np.split(gates, 4)
        cell = sigmoid(f) * memory[1] + sigmoid(i) * np.tanh(g)
        low = sigmoid(o) * np.tanh(cell)
        memory = [low, cell]
    half = block(np.concatenate([upconv(block(low, "bottleneck"), w, "up2"), half]), "join2")
    full = block(np.concatenate([upconv(half, w, "up1"), full]), "join1")
    return conv(full, w, "out", "zero"), memory


def numpy_step(cells: Array, w: Weights, law: QuantumLaw, memory: list[Array]) -> tuple[Array, list[Array]]:
    if isinstance(law, MLP):
        delta = numpy_mlp(cells, w, law)
    elif isinstance(law, DEEP_QCA):
        delta = numpy_deep_qca(cells, w, law)
    else:
        assert isinstance(law, UNet)
        delta, memory = numpy_unet(cells, w, law, memory)
    psi = cells + delta - law.decay * cells
    if law.normalise != "none":
        psi = psi / np.sqrt((psi**2).sum(None if law.normalise == "grid" else 0))
    return psi, memory


def scrambled(law: nn.Module) -> nn.Module:
    """Random biases and scales too: those of a fresh law are 0 and 1, and would hide a missing term."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in law.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.rand(parameter.shape, generator=generator) - 0.3)
            elif name.startswith("out"):
                parameter.mul_(3)
    return law


SETTINGS: list[dict[str, Any]] = [
    {},
    {"norm": "group", "boundary": "zero", "decay": 0.2},
    {"norm": "none", "normalise": "cell", "boundary": "reflect"},
    {"normalise": "none", "decay": 0.01},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(
    ("name", "own"),
    [
        *(("MLP", {"perceive": perceive, "rank": rank}) for perceive in ("moore", "self") for rank in (1, 2, 3)),
        *(("DEEP_QCA", {"perceive": perceive, "rank": rank}) for perceive in ("each", "sum") for rank in (1, 2, 3)),
        ("UNet", {}),
        ("ConvLSTM", {}),
    ],
)
def test_three_steps_equal_numpy(name: str, own: dict[str, Any], settings: dict[str, Any]) -> None:
    hidden = 16 if settings.get("norm") == "group" else 3
    law = scrambled(build_law(name, seed=1, d_state=2, hidden_channels=hidden, output_scale=0.2, **own, **settings))
    assert isinstance(law, QuantumLaw)
    motor = small_motor(law, GRIDS[own.get("rank", 2)], batch=2, cfg={"precision": "fp64"})
    w = {key: tensor.numpy() for key, tensor in law.state_dict().items()}
    runs = [(motor.cells[u].numpy(), [m[u].numpy() for m in motor.memory]) for u in range(2)]
    start = motor.cells
    for _ in range(3):
        runs = [numpy_step(cells, w, law, memory) for cells, memory in runs]
    motor.step(3)
    for u, (cells, memory) in enumerate(runs):
        np.testing.assert_allclose(motor.cells[u].numpy(), cells, rtol=1e-10, atol=1e-13)
        for given, expected in zip(motor.memory, memory, strict=True):
            np.testing.assert_allclose(given[u].numpy(), expected, rtol=1e-10, atol=1e-13)
    assert float((motor.cells - start).abs().max()) > 0.05 * float(start.abs().max())


@pytest.mark.parametrize("perceive", ["each", "sum"])
def test_deep_qca_does_not_see_its_own_cell(perceive: Any) -> None:
    law = DEEP_QCA(2, 8, perceive=perceive, output_scale=1.0).double()
    cells = torch.rand(1, 4, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(law.change(cells)[0, :, 3, 4].sum(), cells)
    felt = gradient[0].abs().sum(0)
    seen = {(int(y), int(x)) for y, x in torch.nonzero(felt > 1e-12)}
    assert seen == {(3 + y, 4 + x) for y, x in MOORE}


def test_deep_qca_sum_cannot_tell_its_neighbours_apart_and_each_can() -> None:
    cells = torch.zeros(1, 4, 7, 7)
    cells[0, :, 2, 2] = 1
    turned = cells.flip(3)
    for perceive, alike in (("sum", True), ("each", False)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            law = DEEP_QCA(2, 8, perceive=perceive, output_scale=1.0)  # type: ignore[arg-type]
        # Cell (3, 3) has the live cell at its upper left, or upper right.
        one, other = law.change(cells)[..., 3, 3], law.change(turned)[..., 3, 3]
        assert torch.allclose(one, other, atol=1e-6) == alike


def test_the_layers_of_the_unet_and_convlstm_have_the_widths_of_the_issue() -> None:
    d, h = 3, 8
    expected = {"out": (2 * d, h, 1, 1), "up2": (8 * h, 4 * h, 2, 2), "up1": (4 * h, 2 * h, 2, 2)}
    widths = {"down1": (2 * d, h), "down2": (h, 2 * h), "down3": (2 * h, 4 * h), "bottleneck": (4 * h, 8 * h)}
    widths |= {"join2": (4 * h + 2 * h, 4 * h), "join1": (2 * h + h, h)}
    for block, (inputs, outputs) in widths.items():
        expected |= {f"{block}.0": (outputs, inputs, 3, 3), f"{block}.3": (outputs, outputs, 3, 3)}
    for law, more in ((UNet(d, h), {}), (ConvLSTM(d, h), {"gates": (16 * h, 8 * h, 3, 3)})):
        kernels = {name.removesuffix(".weight"): tuple(t.shape) for name, t in law.state_dict().items() if t.ndim == 4}
        assert kernels == expected | more
        biased = {name.removesuffix(".bias") for name in law.state_dict() if name.endswith(".bias")}
        assert biased == {"out", "up1", "up2", *more}, "blocks convolve without bias"


def test_the_perceptions_have_the_widths_of_the_issue() -> None:
    for rank in (1, 2, 3):
        moore, alone = MLP(3, 7, rank=rank), MLP(3, 7, perceive="self", rank=rank)
        each, summed = DEEP_QCA(3, 7, rank=rank), DEEP_QCA(3, 7, perceive="sum", rank=rank)
        shapes = [tuple(law.state_dict()["perceive.weight"].shape) for law in (moore, alone, each, summed)]
        one = (1,) * rank
        assert shapes == [(7, 6, *(3,) * rank), (7, 6, *one), (7, 6 * (3**rank - 1), *one), (7, 6, *one)]


@pytest.mark.parametrize("name", QUANTUM)
def test_the_last_layer_starts_at_1e_minus_5_or_at_the_scale_asked_for(name: str) -> None:
    for settings, scale in (({}, 1e-5), ({"output_scale": 0.5}, 0.5), ({"output_scale": 0.0}, 0.0)):
        out = build_law(name, d_state=16, hidden_channels=32, **settings).state_dict()  # type: ignore[arg-type]
        assert not out["out.bias"].any()
        # 1,024 draws: the standard deviation is known to within 10 % (4 standard errors).
        assert float(out["out.weight"].std()) == pytest.approx(scale, rel=0.1)
        assert abs(float(out["out.weight"].mean())) <= scale / 8


@pytest.mark.parametrize("name", QUANTUM)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_state": 0}, "d_state: 0 given"),
        ({"hidden_channels": 0}, "hidden_channels: 0 given"),
        ({"decay": 1.0}, r"decay: 1\.0 given; expected 0 <= decay < 1"),
        ({"decay": -0.1}, r"decay: -0\.1 given"),
        ({"normalise": "all"}, "expected one of none, cell, grid|'none', 'cell' or 'grid'"),
        ({"boundary": "torus"}, "expected one of periodic, zero, reflect|'periodic', 'zero' or 'reflect'"),
        ({"norm": "batch"}, "expected one of channel, group, none|'channel', 'group' or 'none'"),
        ({"hiden_channels": 8}, "hiden_channels"),
        ({"output_scale": -1.0}, "output_scale"),
        ({"output_scale": float("nan")}, "output_scale"),
    ],
)
def test_parameters_out_of_range_are_refused_by_constructor_and_config(
    name: str, settings: dict[str, Any], message: str
) -> None:
    asked: dict[str, Any] = {"d_state": 2, "hidden_channels": 4} | settings
    with pytest.raises(ConfigError, match=message):
        build_law(name, **asked)
    if "hiden_channels" not in asked:
        with pytest.raises(ConfigError, match=message):
            LAWS[name](**asked)


def test_networks_of_ones_own_are_applied_as_amplitudes_or_as_a_change() -> None:
    net = nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular").double()
    cells = torch.rand(2, 4, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        given = Quantum(net, 2, decay=0.25, normalise="cell")(cells)
        psi = (0.75 * cells + net(cells)).numpy()
        np.testing.assert_allclose(given, psi / np.sqrt((psi**2).sum(1, keepdims=True)), rtol=1e-12, atol=1e-14)
        assert torch.equal(Residual(net, 4)(cells), cells + net(cells))


def test_zero_amplitudes_stay_zero_instead_of_becoming_nan() -> None:
    for normalise in ("grid", "cell", "none"):
        law = Quantum(nn.Identity(), 2, normalise=normalise)
        assert torch.equal(law(torch.zeros(1, 4, 3, 3)), torch.zeros(1, 4, 3, 3))


@pytest.mark.parametrize(("grid", "axis"), [((250, 256), "height"), ((16, 18), "width")])
def test_a_grid_that_cannot_be_halved_twice_is_refused(grid: tuple[int, int], axis: str) -> None:
    message = rf"\[law\.unet\] grid {grid[0]} x {grid[1]}: {axis} must be a multiple of 4, because .* halves it twice"
    with pytest.raises(LawError, match=message):
        Aetheria_Motor(UNet(1, 2), grid, 1, "cpu")


def test_the_lstm_remembers_and_a_fresh_memory_is_zero() -> None:
    law = ConvLSTM(1, 2, output_scale=0.5)
    cells = torch.rand(1, 2, 8, 8)
    memory = law.initial_memory(cells)
    assert not any(tensor.any() for tensor in memory)
    with torch.no_grad():
        first: tuple[Tensor, ...] = law(cells, *memory)
        again: tuple[Tensor, ...] = law(cells, *first[1:])
    assert not torch.allclose(again[0], first[0], rtol=1e-6)


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 1), (24, 3), (32, 4), (17, 1)])
def test_a_group_norm_has_groups_of_8_channels_where_they_divide_and_one_elsewhere(channels: int, groups: int) -> None:
    norm = make_norm("group", channels)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == groups
