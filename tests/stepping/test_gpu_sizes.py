"""The Triton kernels at unusual sizes: thin and prime grids, 1 to 40 channels, planes of more than 2^31 cells."""

from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria import law_from_rule
from aetheria.laws import GrowingNCA, Law, Life, RuleTable, build_law
from aetheria.laws.local_network import CellNetwork, Dense
from aetheria.stepping import bit_sliced_life
from aetheria.stepping.gpu import bit_packed_life, life_kernel, local_network, local_network_kernel
from aetheria.stepping.gpu.bit_packed_life import PackedInPasses
from aetheria.stepping.gpu.local_network import FusedOnCuda
from aetheria.stepping.gpu.neighbour_count import NeighbourCountOnCuda
from aetheria.stepping.gpu.rule_tree import RuleTreeOnCuda
from aetheria.stepping.gpu.state_circle import StateCircleOnCuda
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda
from tests.small_laws import small_law
from tests.stepping.interpreted import DEVICES, INTERPRETED, interpret_one
from tests.stepping.test_gpu_life import in_passes, soup, stepped
from tests.stepping.test_gpu_local_network import NEAR, Given, assert_near, exact, fused, moved_to, noise

pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in :RuntimeWarning")  # NumPy's, in the interpreter
on_each_device = pytest.mark.parametrize("device", DEVICES)
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))
SELF = ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))


def network(channels: int, boundary: Any = "periodic", widths: tuple[int, ...] = (7,)) -> CellNetwork:
    """A small network of two filters, with random weights."""
    generator = torch.Generator().manual_seed(channels)
    sizes = [2 * channels, *widths, channels]
    layers = tuple(
        Dense(torch.randn(outputs, inputs, generator=generator) / inputs**0.5, None, "elu" if n < len(widths) else "none")
        for n, (inputs, outputs) in enumerate(pairwise(sizes))
    )
    return CellNetwork((SELF, LAPLACIAN), layers, boundary)


@on_each_device
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 17, 31, 33, 40])
def test_any_number_of_channels_equals_the_formula(channels: int, device: str) -> None:
    form = network(channels)
    state = noise(Given(form), (3, 7), batch=3)
    wanted = Given(form)(state[0].double())
    assert_near(fused(Given(moved_to(form, device)), state, 1, device), (wanted,), 2e-5)


@on_each_device
@pytest.mark.parametrize("grid", [(1, 1), (1, 97), (2, 2), (13, 1), (7, 31), (1, 257)])
@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_thin_and_prime_grids_equal_the_formula(grid: tuple[int, int], boundary: Any, device: str) -> None:
    form = network(2, boundary)
    state = noise(Given(form), grid, batch=3)
    assert_near(fused(Given(moved_to(form, device)), state, 1, device), (Given(form)(state[0].double()),), 2e-5)


@on_each_device
@pytest.mark.parametrize("grid", [(1, 64), (1, 127), (3, 131), (13, 67), (2, 193)])
def test_packed_life_on_thin_and_prime_grids_equals_the_law(grid: tuple[int, int], device: str, monkeypatch: Any) -> None:
    if INTERPRETED:
        monkeypatch.setattr(bit_packed_life, "FEWEST_ROWS", 3)
    for boundary in ("periodic", "zero"):
        law, cells = Life(boundary=boundary), soup(3, *grid)
        assert torch.equal(in_passes(law, cells, (3,), device), stepped(law, cells, 3))


@on_each_device
def test_seeds_above_2_32_and_steps_above_2_31_fire_as_the_law_does(device: str) -> None:
    law = small_law("GrowingNCA", fire_rate=0.5)
    assert isinstance(law, GrowingNCA)
    cells, *_ = noise(law, (3, 20), batch=3)
    seeds = torch.tensor([[2**32 + 1, 0], [2**62 + 7, 2**33], [2**40, 5]])
    steps = torch.tensor([2**31, 2**31 + 5, 2**40])
    state = (cells, seeds, steps)
    assert_near(fused(law, state, 2, device), exact(law, state, 2), NEAR["fp32"])


# -- planes of more than 2^31 cells ------------------------------------------------------------------------------------


def untouched(*shape: int) -> Tensor:
    """A tensor of zeros, as pages that were never written are; it takes no memory."""
    return torch.empty(shape, dtype=torch.float32)


HUGE = (46_349, 46_351)  # primes near the root of 2^31, above it
STATES = (
    (RuleTreeOnCuda, RuleTable(boundary="zero"), "tree_kernel.step_tree"),
    (NeighbourCountOnCuda, law_from_rule("R1,C3,S2-3,B2-4", boundary="zero"), "count_kernel.step_counts"),
    (StateCircleOnCuda, build_law("Cyclic", states=4, threshold=1, boundary="zero"), "circle_kernel.step_circle"),
)


def soup_of(law: Any, height: int, width: int) -> Tensor:
    """Cells in every state of a law."""
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, law.states, (1, 1, height, width), generator=generator).float()


def corner(law: Law, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Random cells in the last corner of a grid with dead edges, and what they are after a step."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.rand(1, law.channels, 8, 48, generator=generator)
    wide = torch.zeros(1, law.channels, 12, 64)
    wide[..., 4:, 16:] = cells
    with torch.no_grad():
        return cells, law(wide.double())[..., 4:, 16:]


@pytest.mark.skipif(not INTERPRETED, reason="with a GPU it is the test below that runs")
def test_offsets_above_2_31_reach_the_last_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    law = Given(network(1, "zero"))
    cells, wanted = corner(law, HUGE)
    before = untouched(1, 1, *HUGE)
    before[..., -8:, -48:] = cells
    interpret_one(local_network_kernel, "step_cells", monkeypatch)
    (after,) = FusedOnCuda(law, "fp32", 64).step(before)
    # The last program: rows and columns of the last tile, of which some lie outside the grid.
    rows, columns = HUGE[0] % 2 or 2, HUGE[1] % 32 or 32
    got, same = after[..., -rows:, -columns:], wanted[..., -rows:, -columns:]
    torch.testing.assert_close(got.double(), same, rtol=0, atol=1e-5)
    assert float(same.abs().min()) > 0


@pytest.mark.skipif(not INTERPRETED, reason="with a GPU it is the test below that runs")
def test_the_mask_above_2_31_cells_reaches_the_last_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    form = replace(network(1, "zero"), alive=(0, 0.5))
    interpret_one(local_network_kernel, "mask_cells", monkeypatch)
    cells, keep = untouched(1, 1, *HUGE), torch.empty(1, *HUGE, dtype=torch.bool)
    keep[:, -4:] = True
    cells[:, 0, -1, -5] = 1.0  # a live cell, which keeps its neighbours
    after = local_network._next_mask(form, cells, keep, cells)
    tail = HUGE[0] * HUGE[1] % local_network.MASKED
    assert after.flatten()[-tail:].nonzero().flatten().tolist() == [tail - 6, tail - 5, tail - 4]


@pytest.mark.skipif(not INTERPRETED, reason="with a GPU it is a test of packed Life that runs")
def test_packed_words_above_2_31_cells_reach_the_last_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    side, law = 1 << 16, Life(boundary="zero")
    small = torch.zeros(1, 1, 64, 64)
    for y, x in ((50, 51), (51, 52), (52, 50), (52, 51), (52, 52)):  # a glider
        small[0, 0, y, x] = 1
    words = torch.empty(1, side, side // 64, dtype=torch.int64)
    words[:, -64:, -1:] = bit_sliced_life.pack(small)
    plan = PackedInPasses(law, torch.empty(1, 1, 1, side), 64)
    monkeypatch.setattr(bit_packed_life, "FEWEST_ROWS", 64)
    monkeypatch.setattr(bit_packed_life, "MOST_ROWS", 64)
    interpret_one(life_kernel, "step_words", monkeypatch)
    after = torch.empty_like(words)
    plan._pass(words, after, 1)
    got = bit_sliced_life.unpack(after[:, -64:, -1:], 64, torch.float32)
    assert torch.equal(got[..., :, -16:], stepped(law, small, 1)[..., :, -16:]), "the columns of the last lanes"


@pytest.mark.skipif(not INTERPRETED, reason="with a GPU it is the test below that runs")
@pytest.mark.parametrize(("plan", "law", "kernel"), STATES)
def test_whole_states_above_2_31_cells_reach_the_last_corner(
    plan: type[WholeStatesOnCuda], law: Any, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = soup_of(law, 40, 100)
    small, large = plan(law, cells), plan(law, torch.empty(1, 1, *HUGE))
    (packed,) = small.pack((cells,))
    before = torch.empty((1, *HUGE), dtype=torch.uint8)
    before[..., -40:, -100:] = packed
    after = torch.empty_like(before)
    module, _, name = kernel.partition(".")
    interpret_one(import_module(f"aetheria.stepping.gpu.{module}"), name, monkeypatch)
    large.take(before, after)
    # The last program: rows and columns of the last tile, of which some lie outside the grid.
    expected = law(cells)[..., -2:, -5:]
    assert torch.equal(after[..., -2:, -5:].float()[:, None], expected)
    assert 0 < int(expected.count_nonzero()) < expected.numel()


@pytest.mark.gpu
@pytest.mark.parametrize(("plan", "law", "kernel"), STATES)
def test_whole_states_above_2_31_cells_are_stepped_on_a_gpu(plan: type[WholeStatesOnCuda], law: Any, kernel: str) -> None:
    needed = 3 * HUGE[0] * HUGE[1]
    if torch.cuda.mem_get_info()[0] < needed:
        pytest.skip(f"{needed >> 30} GiB of GPU memory needed")
    cells = soup_of(law, 40, 100)
    before = torch.zeros((1, *HUGE), dtype=torch.uint8, device="cuda")
    before[..., -40:, -100:] = cells[0].to(before)
    large = plan(law, torch.empty(1, 1, *HUGE, dtype=torch.uint8, device="cuda"))
    (after,) = large.advance((before,), 1)
    assert torch.equal(after[..., -30:, -90:].float().cpu()[:, None], law(cells)[..., -30:, -90:])


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["network", "GrowingNCA"])
def test_a_plane_of_more_than_2_31_cells_is_stepped_to_its_last_corner_on_a_gpu(name: str) -> None:
    law: Any = (
        Given(network(1, "zero")) if name == "network" else small_law("GrowingNCA", channels=4, boundary="zero", fire_rate=1.0)
    )
    needed = 5 * law.channels * HUGE[0] * HUGE[1] * 4
    if torch.cuda.mem_get_info()[0] < needed:
        pytest.skip(f"{needed >> 30} GiB of GPU memory needed")
    cells = torch.rand(1, law.channels, 8, 48, generator=torch.Generator().manual_seed(1))
    before = torch.zeros(1, law.channels, *HUGE, device="cuda")
    before[..., -8:, -48:] = cells.cuda()
    memory = [tensor.cuda() for tensor in law.initial_memory(torch.zeros(1, law.channels, 1, 1), 3)] if law.stochastic else []
    small = torch.zeros(1, law.channels, 12, 64, device="cuda")
    small[..., 4:, 16:] = cells.cuda()
    for form in (law.network,) if name == "network" else ():
        law = Given(moved_to(form, "cuda"))
    plan = FusedOnCuda(law.to("cuda"), "fp32")
    large, little = (plan.unpack(plan.advance(plan.pack((one, *memory)), 1))[0] for one in (before, small))
    assert torch.equal(large[..., -8:, -48:], little[..., 4:, 16:])
