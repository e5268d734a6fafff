"""The Triton kernels at unusual sizes: thin and prime grids, 1 to 40 channels, planes of more than 2^31 cells."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria.laws import GrowingNCA, Law, Life
from aetheria.laws.local_network import CellNetwork, Dense
from aetheria.stepping import bit_sliced_life
from aetheria.stepping.gpu import bit_packed_life, life_kernel, local_network, local_network_kernel
from aetheria.stepping.gpu.bit_packed_life import PackedInPasses
from aetheria.stepping.gpu.local_network import FusedOnCuda
from tests.small_laws import small_law
from tests.stepping.interpreted import DEVICES, INTERPRETED
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


class LastPrograms:
    """Stands in for a kernel of which only the last programs are interpreted; the rest of the grid is never touched."""

    def __init__(self, kernel: Any, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.kernel, self.count = kernel, count
        self.monkeypatch = monkeypatch

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        import numpy as np
        import triton.language as tl
        from triton.runtime import interpreter

        (programs,) = grid

        def number(builder: Any, axis: int) -> Any:
            first = programs - self.count if axis == 0 else 0
            return interpreter.TensorHandle(np.array([builder.grid_idx[axis] + first], np.int32), tl.int32)

        self.monkeypatch.setattr(interpreter.InterpreterBuilder, "create_get_program_id", number)
        # The tensors are on the CPU: nothing is to be copied there and back.
        self.monkeypatch.setattr(interpreter.GridExecutor, "_restore_args_dev", lambda *_: None)
        return self.kernel[(self.count,)]


def untouched(*shape: int) -> Tensor:
    """A tensor of zeros, as pages that were never written are; it takes no memory."""
    return torch.empty(shape, dtype=torch.float32)


def interpret_last(module: Any, name: str, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(module, name, LastPrograms(getattr(module, name), monkeypatch, count))


HUGE = (46_349, 46_351)  # primes near the root of 2^31, above it


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
    interpret_last(local_network_kernel, "step_cells", monkeypatch, 1)
    (after,) = FusedOnCuda(law, "fp32", 64).step(before)
    # The last program: rows and columns of the last tile, of which some lie outside the grid.
    rows, columns = HUGE[0] % 2 or 2, HUGE[1] % 32 or 32
    got, same = after[..., -rows:, -columns:], wanted[..., -rows:, -columns:]
    torch.testing.assert_close(got.double(), same, rtol=0, atol=1e-5)
    assert float(same.abs().min()) > 0


@pytest.mark.skipif(not INTERPRETED, reason="with a GPU it is the test below that runs")
def test_the_mask_above_2_31_cells_reaches_the_last_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    form = replace(network(1, "zero"), alive=(0, 0.5))
    interpret_last(local_network_kernel, "mask_cells", monkeypatch, 1)
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
    interpret_last(life_kernel, "step_words", monkeypatch, 1)
    after = torch.empty_like(words)
    plan._pass(words, after, 1)
    got = bit_sliced_life.unpack(after[:, -64:, -1:], 64, torch.float32)
    assert torch.equal(got[..., :, -16:], stepped(law, small, 1)[..., :, -16:]), "the columns of the last lanes"


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
