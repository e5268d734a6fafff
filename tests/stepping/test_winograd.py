"""The winograd plan equals float64: convolutions alone, and laws with them; edits of a law during a run; choosing the plan."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, StateError
from aetheria.laws import MLP, ConvLSTM, Law, UNet
from aetheria.laws.base import as_law
from aetheria.laws.layers import ChannelNorm, Conv, Gated
from aetheria.laws.updates import Residual
from aetheria.stepping import compiled
from aetheria.stepping.choose import choose_plan
from aetheria.stepping.cpu import build, conv3x3, winograd
from aetheria.stepping.cpu.conv1x1 import PointwiseConv, PointwiseKernel, as_pointwise_conv
from aetheria.stepping.cpu.conv3x3 import Conv3x3, Conv3x3Kernel, as_conv3x3
from aetheria.stepping.cpu.lstm_cell import lstm_cell
from aetheria.stepping.cpu.winograd import Winograd, share
from aetheria.stepping.factories import first_plan
from aetheria.stepping.plan import State
from tests.small_laws import small_motor

BOUNDARIES = {"periodic": "circular", "zero": "constant", "reflect": "reflect"}
sides = st.integers(1, 30)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def exact(filtering: Conv3x3, *parts: Tensor) -> Tensor:
    """The convolution as it is written, in float64."""
    conv, mode = filtering.conv, BOUNDARIES[filtering.boundary]
    bias = None if conv.bias is None else conv.bias.double()
    values = F.conv2d(F.pad(torch.cat(parts, 1).double(), (1, 1, 1, 1), mode=mode), conv.weight.double(), bias)
    if filtering.norm is not None:
        values = copy.deepcopy(filtering.norm).double()(values)
    return {"none": lambda x: x, "elu": F.elu, "relu": F.relu}[filtering.activation](values)


def apart(given: Tensor, expected: Tensor) -> float:
    assert given.shape == expected.shape
    return float((given - expected).abs().max() / expected.abs().max().clamp_min(1e-30))


@st.composite
def filterings(draw: st.DrawFn) -> tuple[Conv3x3, tuple[Tensor, ...]]:
    boundary: Any = draw(st.sampled_from(list(BOUNDARIES)))
    least = 2 if boundary == "reflect" else 1
    shape = draw(st.integers(1, 3)), max(draw(sides), least), max(draw(sides), least)
    channels = draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    outputs = draw(st.integers(1, 70))
    conv = Conv(sum(channels), outputs, 3, boundary, bias=draw(st.booleans()))
    conv.weight.data = random(*conv.weight.shape, seed=1)
    # Of few channels a norm magnifies the rounding of a cell where all are near zero.
    norm = ChannelNorm(outputs) if outputs > 8 and draw(st.booleans()) else None
    if norm is not None:
        norm.scale.data = 1 + 0.3 * random(outputs, seed=2)
    activation: Any = draw(st.sampled_from(["none", "elu", "relu"]))
    parts = tuple(random(shape[0], c, *shape[1:], seed=3 + i) for i, c in enumerate(channels))
    return Conv3x3(conv, boundary, norm, activation), parts


@settings(max_examples=100, deadline=None)
@given(case=filterings(), last=st.booleans())
def test_the_kernel_equals_the_convolution_in_float64(case: tuple[Conv3x3, tuple[Tensor, ...]], last: bool) -> None:
    filtering, parts = case
    layout = torch.channels_last if last else torch.contiguous_format
    with torch.inference_mode():
        given = Conv3x3Kernel(filtering)(*(part.contiguous(memory_format=layout) for part in parts))
        assert apart(given, exact(filtering, *parts)) < 1e-5


@settings(max_examples=60, deadline=None)
@given(case=filterings(), size=st.sampled_from([1e-12, 1.0, 1e12]))
def test_in_16_bits_the_kernel_is_near_float64_for_cells_of_any_magnitude(
    case: tuple[Conv3x3, tuple[Tensor, ...]], size: float
) -> None:
    filtering, parts = case
    if filtering.norm is not None or filtering.conv.bias is not None:
        size = 1.0
    parts = tuple(size * part for part in parts)
    with torch.inference_mode():
        assert apart(Conv3x3Kernel(filtering, "bf16")(*parts), exact(filtering, *parts)) < 2e-2


@pytest.mark.parametrize("boundary", list(BOUNDARIES))
def test_in_16_bits_the_kernel_is_about_as_near_to_float64_as_bfloat16(boundary: Any) -> None:
    conv, cells = Conv(48, 48, 3, boundary, bias=False), random(1, 48, 40, 40)
    filtering = Conv3x3(conv, boundary)
    with torch.inference_mode():
        expected = exact(filtering, cells)
        bfloat16 = copy.deepcopy(conv).bfloat16()(cells.bfloat16())
        given = Conv3x3Kernel(filtering, "bf16")(cells)
        assert (given - expected).square().mean() < 1.2 * (bfloat16 - expected).square().mean()


def test_in_16_bits_sums_stay_right_where_all_products_have_one_sign() -> None:
    conv = Conv(512, 16, 3, "periodic", bias=False)
    conv.weight.data.fill_(1.0)
    with torch.inference_mode():
        cells = torch.ones(1, 512, 8, 8)
        assert apart(Conv3x3Kernel(Conv3x3(conv, "periodic"), "bf16")(cells), exact(Conv3x3(conv, "periodic"), cells)) < 2e-2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_nan_and_inf_spread_over_their_neighbourhood_only(poison: float, precision: Any) -> None:
    conv, cells = Conv(16, 16, 3, "periodic"), random(1, 16, 12, 12)
    cells[0, 3, 5, 5] = poison
    with torch.inference_mode():
        given = Conv3x3Kernel(Conv3x3(conv, "periodic"), precision)(cells)
    assert not given[..., 4:7, 4:7].isfinite().any()
    assert given[..., :3, :].isfinite().all()  # nor does it go beyond the tiles that see it
    dark = torch.zeros(1, 16, 12, 12)
    with torch.inference_mode():
        assert torch.equal(Conv3x3Kernel(Conv3x3(Conv(16, 16, 3, "zero", bias=False), "zero"), precision)(dark), dark)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("channels", "outputs", "side"), [(32, 32, 97), (256, 48, 20), (520, 16, 9)])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 1e-2)])
def test_many_tiles_channels_and_threads_change_no_bit(
    channels: int, outputs: int, side: int, threads: int, precision: Any, tolerance: float
) -> None:
    conv, cells = Conv(channels, outputs, 3, "periodic"), random(2, channels, side, side + 3)
    filtering, before = Conv3x3(conv, "periodic"), torch.get_num_threads()
    with torch.inference_mode():
        torch.set_num_threads(threads)
        given = Conv3x3Kernel(filtering, precision)(cells)
        torch.set_num_threads(1)
        alone = Conv3x3Kernel(filtering, precision)(cells)
        assert apart(given, exact(filtering, cells)) < tolerance
    torch.set_num_threads(before)
    assert torch.equal(given, alone)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 70),
    outputs=st.integers(1, 70),
    height=sides,
    width=sides,
    spread=st.sampled_from([1, 2]),
    bias=st.booleans(),
    precision=st.sampled_from(["fp32", "bf16"]),
)
def test_pointwise_convolutions_equal_float64(
    batch: int, channels: int, outputs: int, height: int, width: int, spread: int, bias: bool, precision: Any
) -> None:
    kind: Any = nn.ConvTranspose2d if spread > 1 else nn.Conv2d
    conv = kind(channels, outputs, spread, stride=spread, bias=bias)
    cells = random(batch, channels, height, width)
    with torch.inference_mode():
        given = PointwiseKernel(PointwiseConv(conv, spread), precision)(cells)
        assert apart(given, copy.deepcopy(conv).double()(cells.double())) < (1e-5 if precision == "fp32" else 1e-2)


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 3),
    width=st.integers(1, 40),
    height=sides,
    length=sides,
    size=st.sampled_from([1e-6, 1.0, 30.0, 1e4]),
    threads=st.integers(1, 3),
)
def test_an_lstm_cell_equals_float64(batch: int, width: int, height: int, length: int, size: float, threads: int) -> None:
    small = min(size, 1.0)
    gates, memory = size * random(batch, 4 * width, height, length), small * random(batch, width, height, length, seed=1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    ours = lstm_cell(gates, memory)
    torch.set_num_threads(before)
    for one, other in zip(ours, Gated()(gates.double(), memory.double()), strict=True):
        assert (one - other).abs().max() < 1e-6 * small


def test_an_lstm_cell_keeps_nan_and_refuses_other_shapes() -> None:
    poisoned, memory = torch.zeros(1, 4 * 5, 2, 2), torch.ones(1, 5, 2, 2)
    poisoned[0, 7, 1, 0] = float("nan")  # what cell (1, 0) accepts in channel 2
    for part in lstm_cell(poisoned, memory):
        assert part.isfinite().logical_not().nonzero().tolist() == [[0, 2, 1, 0]]
    shut = lstm_cell(torch.full((1, 20, 2, 2), -torch.inf), memory)
    assert not any(part.any() for part in shut)
    with pytest.raises(ValueError, match=r"gates \(1, 19, 2, 2\) given for memory \(1, 5, 2, 2\)"):
        lstm_cell(poisoned[:, :19], memory)


def test_an_input_with_other_channels_is_refused() -> None:
    cells = torch.zeros(1, 17, 4, 4)
    for own in (
        Conv3x3Kernel(Conv3x3(Conv(16, 16, 3, "zero"), "zero")),
        PointwiseKernel(PointwiseConv(nn.Conv2d(16, 16, 1), 1)),
    ):
        with pytest.raises(ValueError, match="17 channels given to a convolution of 16"):
            own(cells)


def test_only_pointwise_convolutions_of_enough_channels_are_replaced() -> None:
    wide: Any = {"in_channels": 16, "out_channels": 16}
    assert as_pointwise_conv(nn.Conv2d(**wide, kernel_size=1)) is not None
    assert as_pointwise_conv(nn.ConvTranspose2d(**wide, kernel_size=2, stride=2)) is not None
    for other in (
        nn.Conv2d(**wide, kernel_size=1, stride=2),
        nn.Conv2d(**wide, kernel_size=1, padding=1),
        nn.Conv2d(**wide, kernel_size=2, stride=2),
        nn.Conv2d(16, 4, 1),
        nn.ConvTranspose2d(**wide, kernel_size=3, stride=2),
        nn.ConvTranspose2d(**wide, kernel_size=2, stride=2, output_padding=1),
        nn.ConvTranspose2d(**wide, kernel_size=2, stride=2).double(),
    ):
        assert as_pointwise_conv(other) is None


# -- laws --------------------------------------------------------------------------------------------------------------


def lively(law: nn.Module) -> Any:
    """The law with an output and norms that show what goes wrong before them."""
    for name, parameter in law.named_parameters():
        if "scale" in name:
            parameter.data = 1 + 0.3 * random(*parameter.shape, seed=len(name))
        elif name == "out.weight":
            parameter.data = 0.1 * random(*parameter.shape, seed=1)
    return law.eval()


def state_for(law: Law, batch: int = 1, height: int = 16, width: int = 24) -> State:
    cells = random(batch, law.channels, height, width, seed=7)
    return (cells, *(random(*part.shape, seed=8) for part in law.initial_memory(cells)))


def stepped(law: nn.Module, state: State, steps: int = 1) -> State:
    """Eager steps in float64."""
    wide, state = copy.deepcopy(law).double(), tuple(part.double() for part in state)
    with torch.inference_mode():
        for _ in range(steps):
            out = wide(*state)
            state = out if isinstance(out, tuple) else (out,)
    return state


def advanced(plan: Winograd, state: State, steps: int = 1) -> State:
    with torch.inference_mode():
        return plan.unpack(plan.advance(plan.pack(state), steps))


def assert_steps_like(law: nn.Module, plan: Winograd, state: State, steps: int = 1, tolerance: float = 1e-5) -> None:
    for one, other in zip(advanced(plan, state, steps), stepped(law, state, steps), strict=True):
        assert apart(one, other) < tolerance


@pytest.mark.parametrize("kind", [UNet, ConvLSTM])
@pytest.mark.parametrize("boundary", list(BOUNDARIES))
@pytest.mark.parametrize("norm", ["channel", "group", "none"])
def test_a_law_steps_as_in_float64(kind: type[UNet], boundary: Any, norm: Any) -> None:
    law = lively(kind(2, 16, boundary=boundary, norm=norm, decay=0.1))
    assert_steps_like(law, Winograd(law), state_for(law, 2, 20, 36), 2)


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from([UNet, ConvLSTM]),
    d_state=st.integers(1, 9),
    hidden=st.integers(5, 40),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    normalise=st.sampled_from(["grid", "cell", "none"]),
)
def test_any_width_and_size_steps_as_in_float64(
    kind: type[UNet], d_state: int, hidden: int, height: int, width: int, normalise: Any
) -> None:
    law = lively(kind(d_state, hidden, normalise=normalise))
    # Where the two channels of a cell are near zero, its norm magnifies their rounding.
    assert_steps_like(law, Winograd(law), state_for(law, 1, 4 * height, 4 * width), tolerance=1e-4)


@pytest.mark.parametrize("kind", [UNet, ConvLSTM])
def test_in_16_bits_a_law_is_nearer_to_float64_than_in_bfloat16(kind: type[UNet]) -> None:
    law = lively(kind(4, 32))
    state, exactly = state_for(law, 1, 32, 32), stepped(law, state_for(law, 1, 32, 32))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        out = law(*state)
    rounded = out if isinstance(out, tuple) else (out,)
    for ours, theirs, exact_part in zip(advanced(Winograd(law, "bf16"), state), rounded, exactly, strict=True):
        assert (ours - exact_part).square().mean() < (theirs - exact_part).square().mean()


class Users(Law):
    """What users write: convolutions of torch, a sequence, a loop over layers, one filter in two places."""

    channels = 16

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1, padding_mode=padding), nn.ReLU(), nn.Conv2d(32, 16, 1))
        self.same = nn.Conv2d(16, 16, 3, padding="same", padding_mode=padding)
        self.layers = nn.ModuleList([self.same, nn.Tanh(), self.same, nn.Conv2d(16, 16, 3, stride=2, padding=1)])

    def forward(self, cells: Tensor) -> Tensor:
        values = self.first(cells)
        for layer in self.layers[:3]:
            values = layer(values)
        small: Tensor = F.interpolate(self.layers[3](values), cells.shape[-2:])
        return cells + 0.1 * small * self.get_parameter("first.0.weight").detach().mean()


@pytest.mark.parametrize("padding", ["circular", "zeros", "reflect"])
def test_a_law_of_a_user_steps_as_in_float64(padding: str) -> None:
    law = Users(padding).eval()
    assert_steps_like(law, Winograd(law), (random(2, 16, 13, 18),), 2)


def test_only_plain_3x3_convolutions_of_enough_channels_are_replaced() -> None:
    assert as_conv3x3(Conv(16, 16, 3, "zero")) is not None
    other_weights = Conv(16, 16, 3, "zero")
    other_weights.weight = nn.Parameter(torch.zeros(8, 16, 3, 3))
    for other in (
        Conv(16, 16, 1, "zero"),
        Conv(15, 16, 3, "zero"),
        nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 16, 3, padding=1, groups=2),
        nn.Conv2d(16, 16, 3, padding=2, dilation=2),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="replicate"),
        Conv(16, 16, 3, "zero").double(),
        other_weights,
        nn.ConvTranspose2d(16, 16, 3, padding=1),
        nn.utils.parametrizations.weight_norm(Conv(16, 16, 3, "zero")),
    ):
        assert as_conv3x3(other) is None


# -- edits -------------------------------------------------------------------------------------------------------------


def test_weights_and_controls_edited_in_place_count_from_the_next_step() -> None:
    law = lively(ConvLSTM(2, 16))
    plan, state = Winograd(law), state_for(law)
    before = advanced(plan, state)
    for parameter in law.parameters():
        parameter.data.mul_(1.1)  # behind autograd's back
    law.decay = 0.25
    assert not plan.stale()
    assert_steps_like(law, plan, state)
    assert apart(before[0], stepped(law, state)[0]) > 1e-3


def test_replaced_parameters_count_from_the_next_step() -> None:
    law = lively(UNet(2, 16))
    plan, state = Winograd(law), state_for(law)
    for module in (law.down2[0], law.down2[1], law.out):
        for name, parameter in list(module.named_parameters()):
            setattr(module, name, nn.Parameter(0.5 * parameter.detach() + 0.01))
    assert_steps_like(law, plan, state)


def test_a_replaced_layer_makes_the_plan_stale() -> None:
    for edit in (
        lambda law: law.down2.__setitem__(3, Conv(32, 32, 3, "zero")),
        lambda law: law.down2.__setitem__(2, nn.ReLU()),
        lambda law: setattr(law.down2[0], "boundary", "zero"),
        lambda law: law.down2.append(nn.Tanh()),
        lambda law: law.down2[4].register_forward_hook(lambda *_: None),
        lambda law: setattr(law.down2[4], "forward", lambda x: x),
    ):
        law = UNet(1, 16)
        plan = Winograd(law)
        assert not plan.stale()
        edit(law)
        assert plan.stale()
        assert_steps_like(law, Winograd(law), state_for(law))


def test_gates_that_are_hooked_or_replaced_are_left_to_the_law() -> None:
    for edit in (
        lambda law: law.gated.register_forward_hook(lambda *given: (2 * given[-1][0], given[-1][1])),
        lambda law: setattr(law.gated, "forward", lambda gates, cell: (gates[:, : cell.shape[1]], 0.5 * cell)),
    ):
        law = lively(ConvLSTM(2, 16))
        plan = Winograd(law)
        assert not plan.stale()
        edit(law)
        assert plan.stale()
        assert_steps_like(law, Winograd(law), state_for(law))


def test_hooks_on_any_module_are_called() -> None:
    law = lively(UNet(2, 16))
    called: list[str] = []
    for name in ("down1", "down2.0", "down2.1", "join1.2", "up1", ""):
        law.get_submodule(name).register_forward_hook(lambda *_, name=name: called.append(name))
    law.down3.register_forward_hook(lambda *given: 1.5 * given[-1])
    plan, state = Winograd(law), state_for(law)
    assert_steps_like(law, plan, state)
    assert sorted(called) == sorted(2 * ["down1", "down2.0", "down2.1", "join1.2", "up1", ""])


def test_overridden_methods_are_called() -> None:
    class Louder(UNet):
        def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
            return tuple(3 * part for part in super().predict(cells, *memory))

    law = lively(Louder(2, 16))
    assert_steps_like(law, Winograd(law), state_for(law))


# -- choosing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [UNet, ConvLSTM])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_auto_takes_winograd_and_a_run_with_pauses_and_edits_equals_eager(kind: type[UNet], precision: str) -> None:
    law = lively(kind(2, 16))
    motors = [
        small_motor(copy.deepcopy(law), (20, 24), cfg={"plan": plan, "precision": precision}) for plan in ("auto", "eager")
    ]
    for motor in motors:
        motor.warm_up()
        motor.step(3)
        motor.set_cells(motor.cells.flip(-1))
        motor.set_control("decay", 0.1)
        motor.step(2)
    fast, eager = motors
    assert fast.plan.name == "winograd"
    assert apart(fast.cells, eager.cells) < (1e-4 if precision == "fp32" else 0.1)


def test_the_share_of_products_counts_each_weight_once_per_cell_of_its_grid() -> None:
    def hooked(*_: object) -> None:
        raise AssertionError

    layers = [
        nn.Conv2d(16, 16, 3, padding=1),  # 9 * 16 * 16 a cell
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),  # a quarter of 9 * 16 * 32
        nn.ConvTranspose2d(32, 16, 2, stride=2),  # a quarter of 4 * 32 * 16, not counted for the kernel
        nn.Conv2d(16, 8, 3, padding=1),  # 9 * 16 * 8, too narrow
    ]
    layers[1].register_forward_hook(hooked)
    net, cells = nn.Sequential(*layers), torch.randn(3, 16, 12, 20)
    own, others = 9 * 256 + 9 * 512 / 4, 512 + 9 * 128
    before = torch.random.get_rng_state()
    assert share(net, (cells,)) == pytest.approx(own / (own + others))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}
    assert share(Asking(), (cells,)) == 1  # whose products cannot be counted


class Asking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, cells: Tensor) -> Tensor:
        return self.conv(cells) if float(cells.sum()) > 0 else cells


@pytest.mark.parametrize(
    ("law", "precision", "name"),
    [
        (UNet(8, 16), "bf16", "winograd"),
        (ConvLSTM(8, 16), "bf16", "winograd"),
        (Asking(), "bf16", "winograd"),
        (UNet(8, 8), "fp32", "compiled"),
        (UNet(8, 8), "bf16", "compiled"),
        (MLP(8, 32, norm="group"), "bf16", "compiled"),
    ],
)
def test_auto_takes_winograd_where_it_has_most_of_the_products(law: nn.Module, precision: Any, name: str) -> None:
    cells = torch.randn(1, 16, 16, 16)
    given = as_law(law, getattr(law, "d_state", 16))
    assert first_plan(given, (cells, *given.initial_memory(cells)), precision).name == name


def test_no_products_are_counted_where_the_weights_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> float:
        raise AssertionError

    monkeypatch.setattr(winograd, "share", refuse)
    assert not winograd.slower_than_compiled(UNet(8, 16), (torch.randn(1, 16, 16, 16),))
    with pytest.raises(AssertionError):
        winograd.slower_than_compiled(UNet(8, 8), (torch.randn(1, 16, 16, 16),))


def test_winograd_steps_runs_too_short_to_compile_for() -> None:
    cells = torch.randn(1, 16, 64, 64)
    assert choose_plan(MLP(8, 32, norm="group"), (cells,), planned_steps=100).name == "winograd"


@pytest.mark.parametrize(
    ("law", "precision", "words"),
    [
        (MLP(1, 4), "fp32", "MLP has no 3x3 convolutions between 16 channels or more"),
        (UNet(1, 16), "fp64", "its kernel computes in float32, and fp64 is wanted"),
    ],
)
def test_laws_that_winograd_cannot_step_are_refused_with_the_reason(law: Law, precision: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        small_motor(law, (16, 16), cfg={"plan": "winograd", "precision": precision}).warm_up()


class Peeking(nn.Module):
    """Of a layer that only the original has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv(16, 16, 3, "periodic")
        self.whole = [self.conv]

    def forward(self, cells: Tensor) -> Tensor:
        assert self.conv is self.whole[0]
        return self.conv(cells)


def test_a_law_that_cannot_be_copied_steps_by_another_plan_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    motor = small_motor(Residual(Peeking(), 16), (16, 16), cfg={"plan": "auto"})
    with pytest.warns(RuntimeWarning, match="Residual steps by plan compiled.*winograd failed: AssertionError"):
        motor.warm_up()


def test_a_kernel_out_of_memory_is_an_error_that_names_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = small_motor(UNet(1, 16), (16, 16), cfg={"plan": "winograd"})
    motor.warm_up()
    monkeypatch.setattr(build.native_kernel("conv3x3.cpp", conv3x3.Job), "conv3x3", lambda *_: 1)
    with pytest.raises(StateError, match="UNet: out of memory"):
        motor.step(1)
