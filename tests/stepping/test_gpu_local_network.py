"""The fused Triton kernel equals the laws' eager steps in float64, and random networks written as formulas in PyTorch.

Without a CUDA device Triton interprets the kernel on the CPU (conftest says so before Triton is imported); with one it
compiles it, and the same tests run on the device.
"""

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.errors import LawError
from aetheria.core.precision import Precision
from aetheria.laws import GrowingNCA, Law
from aetheria.laws.checks import Boundary
from aetheria.laws.hash_noise import fire_mask
from aetheria.laws.layers import pad
from aetheria.laws.local_network import CellNetwork, Dense, Filters
from aetheria.laws.neural.nca import ALPHA
from aetheria.stepping.gpu.local_network import FusedOnCuda, why_not
from tests.generated import given, settings, st
from tests.small_laws import State, fresh, small_law, stepper
from tests.stepping.interpreted import DEVICES

BOUNDARIES: tuple[Boundary, ...] = ("periodic", "zero", "reflect")
LAWS: dict[str, tuple[str, dict[str, Any]]] = {
    "MLP moore grid": ("MLP", {"d_state": 1}),
    "MLP moore cell decay": ("MLP", {"normalise": "cell", "decay": 0.1}),
    "MLP self none": ("MLP", {"perceive": "self", "normalise": "none", "norm": "none"}),
    "MLP self wide": ("MLP", {"perceive": "self", "d_state": 9, "hidden_channels": 33}),
    "DEEP_QCA each grid decay": ("DEEP_QCA", {"decay": 0.2}),
    "DEEP_QCA each none": ("DEEP_QCA", {"d_state": 5, "normalise": "none"}),
    "DEEP_QCA sum cell": ("DEEP_QCA", {"perceive": "sum", "normalise": "cell"}),
    "GrowingNCA": ("GrowingNCA", {}),
    "GrowingNCA 16": ("GrowingNCA", {"channels": 16, "fire_rate": 0.7}),
}
# Of the largest cell, after two steps.
NEAR: dict[Precision, float] = {"fp32": 5e-6, "tf32": 1e-2, "bf16": 5e-2}
GRID = (9, 33)  # several tiles along both axes, the last ones incomplete
ONE_TILE = (3, 20)
BLOCK = {"cpu": 256, "cuda": None}  # the interpreter's time depends on the number of programs
pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in :RuntimeWarning")  # NumPy's, in the interpreter


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def moving(name: str, **changes: Any) -> Law:
    """A small law, float32, with no weight, bias or scale at zero or one."""
    law = small_law(name, **changes)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in law.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    assert isinstance(law, Law)
    return law


def noise(law: Law, grid: tuple[int, int] = GRID, batch: int = 1) -> State:
    """A state in float32."""
    cells, *memory = fresh(law, grid, batch=batch)
    return (cells.float(), *memory)


def fused(law: Law, state: State, steps: int, device: str, precision: Precision = "fp32", block: int | None = None) -> State:
    """The state after some steps of the kernel, back on the CPU."""
    network = FusedOnCuda(copy.deepcopy(law).to(device), precision, block or BLOCK[device])
    held = network.pack(tuple(tensor.to(device) for tensor in state))
    for _ in range(steps):
        held = network.step(*held)
    return tuple(tensor.cpu() for tensor in network.unpack(held))


def exact(law: Law, state: State, steps: int) -> State:
    """The same of the law itself, in float64."""
    step = stepper(copy.deepcopy(law).double())
    state = (state[0].double(), *state[1:])
    for _ in range(steps):
        state = step(state)
    return state


def assert_near(got: State, wanted: State, tolerance: float) -> None:
    """Cells within `tolerance` of the largest, memory the same."""
    assert got[0].dtype == torch.float32
    torch.testing.assert_close(got[0].double(), wanted[0], rtol=0, atol=tolerance * float(wanted[0].abs().max()))
    assert len(got) == len(wanted)
    assert all(map(torch.equal, got[1:], wanted[1:]))


# Each law with one boundary; one law that normalises over the grid and one whose cells die with all of them.
CASES = [(case, BOUNDARIES[i % 3]) for i, case in enumerate(LAWS)]
CASES += [(case, one) for case in ("MLP moore grid", "GrowingNCA") for one in BOUNDARIES if (case, one) not in CASES]


@pytest.mark.parametrize(("case", "boundary"), CASES)
def test_two_steps_equal_the_law_in_float64(case: str, boundary: Boundary, device: str) -> None:
    name, changes = LAWS[case]
    law = moving(name, boundary=boundary, **changes)
    state = noise(law)
    wanted = exact(law, state, 2)
    assert float((wanted[0] - state[0]).abs().max()) > 1e-2 * float(wanted[0].abs().max())
    assert_near(fused(law, state, 2, device), wanted, NEAR["fp32"])


@pytest.mark.parametrize("grid", [(1, 40), (1, 1), (17, 1), (2, 64), (9, 32)])
@pytest.mark.parametrize("name", ["DEEP_QCA", "GrowingNCA"])
def test_grids_of_any_size_equal_the_law_in_float64(name: str, grid: tuple[int, int], device: str) -> None:
    law = moving(name)
    state = noise(law, grid)
    assert_near(fused(law, state, 2, device), exact(law, state, 2), NEAR["fp32"])


@pytest.mark.parametrize("block", [16, 256])
def test_blocks_of_any_size_equal_the_law_in_float64(block: int, device: str) -> None:
    law = moving("MLP")
    state = noise(law, (5, 20), batch=2)
    assert_near(fused(law, state, 2, device, block=block), exact(law, state, 2), NEAR["fp32"])


@pytest.fixture
def bfloat16_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes Triton's interpreter multiply bfloat16 values; it would multiply the integers that hold them."""
    import triton.language as tl
    from triton.runtime import interpreter

    plain = interpreter.InterpreterBuilder.create_dot

    def widened(handle: Any) -> Any:
        if str(handle.dtype.scalar) != "bf16":
            return handle
        return interpreter.TensorHandle((handle.data.astype(np.uint32) << 16).view(np.float32), tl.float32)

    def create_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        return plain(self, widened(a), widened(b), *rest)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", create_dot)


@pytest.mark.usefixtures("bfloat16_products")
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("case", ["MLP moore grid", "DEEP_QCA each none", "GrowingNCA 16"])
def test_lower_precisions_stay_near_the_law(case: str, precision: Precision, device: str) -> None:
    name, changes = LAWS[case]
    law = moving(name, **changes)
    state = noise(law, ONE_TILE)
    got, wanted = fused(law, state, 1, device, precision), exact(law, state, 1)
    assert_near(got, wanted, NEAR[precision])
    if precision == "bf16":  # and it is bfloat16 indeed
        assert float((got[0] - wanted[0]).abs().max()) > NEAR["fp32"] * float(wanted[0].abs().max())


@pytest.mark.parametrize("case", ["MLP moore grid", "GrowingNCA"])
def test_universes_step_as_each_alone(case: str, device: str) -> None:
    name, changes = LAWS[case]
    law = moving(name, **changes)
    state = noise(law, ONE_TILE, batch=3)
    together = fused(law, state, 2, device)
    for i in (0, 2):
        alone = fused(law, tuple(tensor[i : i + 1] for tensor in state), 2, device)
        assert all(torch.equal(one, many[i : i + 1]) for one, many in zip(alone, together, strict=True))


@pytest.mark.parametrize("case", ["MLP moore grid", "MLP moore cell decay", "GrowingNCA"])
def test_unpacking_a_packed_state_gives_it_back_bit_for_bit(case: str) -> None:
    name, changes = LAWS[case]
    law = moving(name, **changes)
    network, state = FusedOnCuda(law, "fp32"), noise(law)
    assert all(map(torch.equal, network.unpack(network.pack(state)), state))


@pytest.mark.parametrize("name", ["MLP", "GrowingNCA"])
def test_a_step_does_not_change_its_input(name: str, device: str) -> None:
    law = moving(name).to(device)
    network = FusedOnCuda(law, "fp32", BLOCK[device])
    held = network.pack(tuple(tensor.to(device) for tensor in noise(law.cpu(), ONE_TILE)))
    law.to(device)
    before = [tensor.clone() for tensor in held]
    network.step(*held)
    assert all(map(torch.equal, held, before))


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_edited_weights_count_from_the_next_step(how: str, device: str) -> None:
    law: Any = moving("DEEP_QCA").to(device)
    network = FusedOnCuda(law, "fp32", BLOCK[device])
    state = noise(copy.deepcopy(law).cpu(), ONE_TILE)
    held = network.step(*network.pack(tuple(tensor.to(device) for tensor in state)))
    once = exact(copy.deepcopy(law).cpu(), state, 1)
    with torch.no_grad():
        if how == "in place":
            law.perceive.weight.mul_(-2)
            law.norms[1].scale.mul_(3)
        else:
            law.out = copy.deepcopy(law.out)
            law.out.weight = nn.Parameter(-3 * law.out.weight)
    got = network.unpack(network.step(*held))
    assert_near(tuple(t.cpu() for t in got), exact(copy.deepcopy(law).cpu(), once, 1), NEAR["fp32"])


@pytest.mark.parametrize(("name", "control"), [("DEEP_QCA", "decay"), ("GrowingNCA", "fire_rate")])
def test_a_changed_control_needs_no_new_kernel(name: str, control: str, device: str) -> None:
    law = moving(name).to(device)
    network = FusedOnCuda(law, "fp32", BLOCK[device])
    state = noise(moving(name), ONE_TILE)
    held = network.pack(tuple(tensor.to(device) for tensor in state))
    before = network.advance(held, 1)
    for value in (0.3, 0.7):
        law.set_control(control, value)
        assert not network.stale()
        after = network.advance(held, 1)
        assert not torch.equal(after[0], before[0])
        got = tuple(tensor.cpu() for tensor in network.unpack(after))
        assert_near(got, exact(copy.deepcopy(law).cpu(), state, 1), NEAR["fp32"])


@pytest.mark.parametrize(
    ("rate", "seed", "step"), [(0.5, 0, 0), (0.01, -3, 7), (0.9, 2**40 + 5, 2**35 + 1), (1.0, 2**63 - 1, 2**32 - 1)]
)
def test_the_cells_that_fire_are_those_of_the_hash_noise(rate: float, seed: int, step: int, device: str) -> None:
    law: Any = GrowingNCA(4, 16, fire_rate=rate)
    nn.init.ones_(law.update.bias)
    cells = torch.ones(3, 4, *ONE_TILE)
    seeds = torch.tensor([[seed, universe] for universe in (0, 1, 2**33)])
    steps = torch.full((3,), step)
    moved, _, after = fused(law, (cells, seeds, steps), 1, device)
    expected = fire_mask(seeds, steps, ONE_TILE, rate)
    assert torch.equal(moved == 2, expected[:, None].expand_as(moved))
    assert torch.equal(moved == 1, ~expected[:, None].expand_as(moved))
    assert torch.equal(after, steps + 1)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("case", ["MLP moore cell decay", "MLP self none", "DEEP_QCA each grid decay", "DEEP_QCA sum cell"])
def test_nan_and_inf_spread_as_in_the_law(case: str, value: float, device: str) -> None:
    name, changes = LAWS[case]
    law = moving(name, **changes)
    state = noise(law, (9, 11))
    state[0][0, -1, 2, 9] = value
    assert torch.equal(fused(law, state, 1, device)[0].isfinite(), exact(law, state, 1)[0].isfinite())


def test_a_nan_alpha_kills_its_neighbourhood_as_in_the_law(device: str) -> None:
    law = moving("GrowingNCA")
    state = noise(law, (9, 11))
    state[0][0, ALPHA, 2, 9] = torch.nan
    got, wanted = fused(law, state, 1, device), exact(law, state, 1)
    assert float(wanted[0][0, :, 1:4, 8:11].abs().max()) == 0
    assert_near(got, wanted, NEAR["fp32"])


def test_dead_cells_stay_dead_and_the_living_spread(device: str) -> None:
    law = moving("GrowingNCA")
    cells, *memory = noise(law, (9, 11))
    seed_only = torch.zeros_like(cells)
    seed_only[:, :, 4, 9] = law.seed_cell()
    state = (seed_only, *memory)
    got, wanted = fused(law, state, 3, device), exact(law, state, 3)
    assert 0 < int((wanted[0][0, ALPHA] != 0).sum()) < 9 * 11
    assert torch.equal(got[0] == 0, wanted[0] == 0)
    assert_near(got, wanted, NEAR["fp32"])


@pytest.mark.parametrize("value", [0.0, 1e-9])
@pytest.mark.parametrize("normalise", ["grid", "cell"])
def test_zero_cells_stay_zero_and_tiny_cells_are_normalised(normalise: str, value: float, device: str) -> None:
    law: Any = small_law("MLP", normalise=normalise)
    with torch.no_grad():
        for parameter in law.out.parameters():
            parameter.zero_()
    cells = torch.full((1, law.channels, *ONE_TILE), value)
    assert_near(fused(law, (cells,), 1, device), exact(law, (cells,), 1), NEAR["fp32"])


@pytest.mark.parametrize("normalise", ["grid", "cell"])
def test_cells_whose_norm_overflows_become_nan_and_not_zero(normalise: str, device: str) -> None:
    law = moving("MLP", normalise=normalise)
    cells = torch.full((1, law.channels, *ONE_TILE), 1e30)
    assert bool(fused(law, (cells,), 1, device)[0].isnan().all())


@pytest.mark.parametrize(
    ("name", "changes", "precision", "why"),
    [
        ("ConvLSTM", {}, "fp32", "no network of one cell"),
        ("MLP", {"norm": "group"}, "fp32", "no network of one cell"),
        ("MLP", {}, "fp64", "float32"),
        ("MLP", {"hidden_channels": 129}, "fp32", "width 129"),
        ("DEEP_QCA", {"d_state": 33}, "fp32", "66 channels"),
    ],
)
def test_laws_that_the_kernel_cannot_step_are_refused_with_the_reason(
    name: str, changes: dict[str, Any], precision: Precision, why: str
) -> None:
    law = small_law(name, **changes)
    assert isinstance(law, Law)
    assert why in why_not(law, precision)
    with pytest.raises(LawError, match=why):
        FusedOnCuda(law, precision)


def test_weights_in_float64_are_refused() -> None:
    assert "float32" in why_not(moving("MLP").double(), "fp32")


@pytest.mark.parametrize("name", ["MLP", "DEEP_QCA", "GrowingNCA"])
def test_cell_network_reads_no_tensor_and_so_never_waits_for_the_device(name: str) -> None:
    """On the meta device there is nothing to read."""
    assert isinstance(law := small_law(name), Law)
    assert law.to("meta").cell_network() is not None


class Given(Law):
    """A law made from a network, with the network's formula as its step."""

    stochastic = False

    def __init__(self, network: CellNetwork) -> None:
        super().__init__()
        self.network = network
        self.channels = len(network.layers[-1].weight)
        self.boundary = network.boundary

    def cell_network(self) -> CellNetwork:
        return self.network

    def forward(self, cells: Tensor) -> Tensor:
        network = self.network
        kernels = torch.tensor(network.filters, dtype=cells.dtype)[:, None]
        planes = pad(cells, 1, self.boundary).unflatten(1, (-1, 1)).flatten(0, 1)
        seen = F.conv2d(planes, kernels).unflatten(0, cells.shape[:2]).transpose(1, 2).flatten(1, 2)
        for layer in network.layers:
            seen = torch.einsum("oi,bihw->bohw", layer.weight.to(cells.dtype), seen)
            if layer.bias is not None:
                seen = seen + layer.bias[:, None, None]
            if layer.scale is not None:
                rms = (seen.square().mean(1, keepdim=True) + layer.eps).sqrt()
                seen = seen / rms * layer.scale[:, None, None]
            if layer.activation != "none":
                seen = F.elu(seen) if layer.activation == "elu" else F.relu(seen)
        moved = cells + seen - network.decay * cells
        if network.normalise == "none":
            return moved
        axes = (1,) if network.normalise == "cell" else (1, 2, 3)
        return moved / torch.linalg.vector_norm(moved, dim=axes, keepdim=True)


LEFT = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
LEFT_AND_UP = ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_inf_reach_only_the_cells_whose_filters_read_them(value: float, device: str) -> None:
    """Neither a coefficient of 0 nor a tile's padding counts as reading. An Inf stays one and does not become NaN."""
    layers = (Dense(torch.ones(3, 4), None, "relu"), Dense(torch.ones(2, 3), None, "none"))
    law = Given(moved_to(CellNetwork((LEFT, LEFT_AND_UP), layers, "zero"), device))
    cells = torch.ones(1, 2, 5, 6)
    cells[0, 0, 2, 2] = value
    expected = torch.zeros(1, 2, 5, 6, dtype=torch.bool)
    expected[0, 0, 2, 2] = expected[0, :, 2, 3] = expected[0, :, 3, 2] = True
    got = fused(law, (cells,), 1, device)[0]
    assert torch.equal(got.isinf() if value == torch.inf else got.isnan(), expected)
    assert torch.equal(~got.isfinite(), expected)


FILTER = st.lists(st.sampled_from((0.0, 0.0, 1.0, -0.5)), min_size=9, max_size=9).map(
    lambda values: tuple(tuple(values[i : i + 3]) for i in (0, 3, 6))
)


@st.composite
def networks(draw: st.DrawFn) -> CellNetwork:
    """Networks of all forms, with random weights."""
    filters: Filters = tuple(draw(st.lists(FILTER, min_size=1, max_size=5)))
    channels = draw(st.integers(1, 18))
    widths = [len(filters) * channels, *draw(st.lists(st.integers(1, 34), min_size=1, max_size=3)), channels]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))

    def layer(inputs: int, outputs: int) -> Dense:
        weight = torch.randn(outputs, inputs, generator=generator) / inputs**0.5
        bias, scale = torch.randn(2, outputs, generator=generator)
        return Dense(
            weight,
            bias if draw(st.booleans()) else None,
            draw(st.sampled_from(("elu", "relu", "none"))),
            scale if draw(st.booleans()) else None,
            draw(st.sampled_from((1e-6, 0.1))),
        )

    return CellNetwork(
        filters,
        tuple(map(layer, widths[:-1], widths[1:])),
        draw(st.sampled_from(BOUNDARIES)),
        draw(st.sampled_from((0.0, 0.25))),
        draw(st.sampled_from(("none", "cell", "grid"))),
    )


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(network=networks(), grid=st.tuples(st.integers(2, 6), st.integers(2, 40)))
def test_any_network_equals_its_formula_in_pytorch(device: str, network: CellNetwork, grid: tuple[int, int]) -> None:
    law = Given(network)
    state = noise(law, grid)
    cells = law(state[0].double())
    held_on = Given(moved_to(network, device))
    assert_near(fused(held_on, state, 1, device), (cells,), 2e-5)


def moved_to(network: CellNetwork, device: str) -> CellNetwork:
    def moved(layer: Dense) -> Dense:
        tensors = (None if t is None else t.to(device) for t in (layer.weight, layer.bias, layer.scale))
        weight, bias, scale = tensors
        assert weight is not None
        return Dense(weight, bias, layer.activation, scale, layer.eps)

    return CellNetwork(network.filters, tuple(map(moved, network.layers)), network.boundary, network.decay, network.normalise)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["MLP", "DEEP_QCA", "GrowingNCA"])
def test_steps_in_a_cuda_graph_equal_those_outside(name: str) -> None:
    law = moving(name).cuda()
    network = FusedOnCuda(law, "fp32")
    held = network.pack(tuple(tensor.cuda() for tensor in noise(moving(name))))
    wanted = network.step(*network.step(*held))  # compiles, too
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        got = network.step(*network.step(*held))
    graph.replay()
    assert all(map(torch.equal, got, wanted))
