"""The sparse training step: cells and gradients equal the law's in float64."""

import copy
import dataclasses
import logging
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aetheria.laws import LAWS, GrowingNCA
from aetheria.laws.checks import Boundary
from aetheria.laws.local_network import CellNetwork, Dense
from aetheria.stepping.cpu.build import NativeKernelError
from aetheria.stepping.cpu.training_step import SparseTrainingStep, run_steps, training_step


def nca(boundary: Boundary = "periodic", fire_rate: float = 0.5, channels: int = 6, hidden: int = 16) -> GrowingNCA:
    torch.manual_seed(0)
    law = GrowingNCA(channels, hidden, fire_rate=fire_rate, boundary=boundary)
    nn.init.normal_(law.update.weight, std=0.1)
    nn.init.normal_(law.get_parameter("update.bias"), std=0.1)
    return law


def rolled_out(step: Any, law: nn.Module, cells: Tensor, steps: int) -> tuple[Tensor, list[Tensor]]:
    """The cells after some steps, and the gradients of a sum over them to the weights and the first cells; in float64."""
    first = cells.clone().requires_grad_()
    after, memory = first, GrowingNCA(4, 1).initial_memory(cells, seed=5)
    for _ in range(steps):
        after, *memory = step(after, *memory)
    weights = torch.randn(after.shape, generator=torch.Generator().manual_seed(1)).to(after.dtype)
    grads = torch.autograd.grad((after * weights).sum(), [first, *law.parameters()])
    return after.detach().double(), [grad.double() for grad in grads]


def both(law: GrowingNCA, cells: Tensor, steps: int) -> tuple[tuple[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]:
    """What our step makes of the cells, and the law itself in float64."""
    exact = copy.deepcopy(law).double()
    return rolled_out(SparseTrainingStep(law), law, cells, steps), rolled_out(exact, exact, cells.double(), steps)


def assert_the_same(ours: tuple[Tensor, list[Tensor]], laws: tuple[Tensor, list[Tensor]]) -> None:
    """To the rounding of float32; where the terms of a gradient cancel each other, to that of the terms."""
    terms = max(float(grad.norm()) for grad in laws[1])
    for a, b, size in zip((ours[0], *ours[1]), (laws[0], *laws[1]), (0.0, *[terms] * len(laws[1])), strict=True):
        assert (a - b).norm() <= 3e-6 * b.norm() + 3e-8 * size + 1e-12


def grown(height: int, width: int, channels: int = 6) -> Tensor:
    """Two universes: noise all over, and a small pattern on dead ground."""
    cells = torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(2))
    cells[1, :, :4] = 0
    cells[1, :, :, 5:] = 0
    return cells


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("fire_rate", [0.5, 1.0])
def test_cells_and_gradients_equal_the_law_in_float64(boundary: Boundary, fire_rate: float) -> None:
    ours, laws = both(nca(boundary, fire_rate), grown(16, 20), 5)
    assert (laws[0][1] == 0).any()
    assert laws[0][1].any()  # the pattern lives, and not everywhere
    assert_the_same(ours, laws)


@settings(max_examples=40, deadline=None)
@given(
    boundary=st.sampled_from(["periodic", "zero"]),
    channels=st.integers(4, 35),
    hidden=st.integers(1, 70),
    height=st.integers(1, 40),
    width=st.integers(1, 70),
    fire_rate=st.floats(0.05, 1),
)
def test_networks_and_grids_of_any_size_equal_the_law_in_float64(
    boundary: Boundary, channels: int, hidden: int, height: int, width: int, fire_rate: float
) -> None:
    law = nca(boundary, fire_rate, channels, hidden)
    # One step: after several a value a rounding away from where ReLU bends has another gradient.
    assert_the_same(*both(law, torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(3)), 1))


def test_threads_change_no_bit() -> None:
    law, cells, before = nca(channels=16, hidden=64), torch.rand(3, 16, 50, 70), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(rolled_out(SparseTrainingStep(law), law, cells, 3))
    finally:
        torch.set_num_threads(before)
    one, three = found
    assert torch.equal(one[0], three[0])
    assert all(map(torch.equal, one[1], three[1]))


@pytest.mark.parametrize("steps", [2, 5])
@pytest.mark.parametrize("boundary", ["periodic", "zero"])
def test_several_steps_in_one_call_equal_as_many_calls(boundary: Boundary, steps: int) -> None:
    law, cells = nca(boundary, channels=16), grown(60, 50, 16)  # three chunks of rows a universe

    def at_once(after: Tensor, *memory: Tensor) -> Any:
        return run_steps(SparseTrainingStep(law), (after, *memory), steps)

    whole, pieces = rolled_out(at_once, law, cells, 1), rolled_out(SparseTrainingStep(law), law, cells, steps)
    assert torch.equal(whole[0], pieces[0])
    assert torch.equal(whole[1][0], pieces[1][0])
    assert_the_same(whole, pieces)  # the gradients of weights are summed in another order


def test_run_steps_steps_any_law() -> None:
    law, cells = nca("reflect"), grown(8, 8)
    state = run_steps(law, (cells, *law.initial_memory(cells)), 3)
    expected = (cells, *law.initial_memory(cells))
    for _ in range(3):
        expected = law(*expected)
    assert all(map(torch.equal, state, expected))
    assert run_steps(SparseTrainingStep(nca()), (cells,), 0) == (cells,)


def test_dead_cells_stay_dead_and_have_no_gradients() -> None:
    law = nca()
    cells, grads = rolled_out(SparseTrainingStep(law), law, torch.zeros(1, 6, 5, 5), 2)
    assert not cells.any()
    assert all(not grad.any() for grad in grads)


def test_nan_kills_cells_as_in_the_law() -> None:
    law, cells = nca(fire_rate=1.0), grown(12, 14)
    cells[0, 5, 6, 7] = torch.nan
    cells[0, 3, 2, 2] = torch.nan  # alpha: kills its neighbourhood, as in a max pool
    with torch.no_grad():
        ours, laws = (step(cells, *law.initial_memory(cells, 5))[0] for step in (SparseTrainingStep(law), law))
    assert not ours[0, :, 6, 7].any()
    torch.testing.assert_close(ours, laws, equal_nan=True)


def test_a_deeper_network_with_elu_equals_the_law() -> None:
    class Deeper(GrowingNCA):
        def cell_network(self) -> CellNetwork:
            network = super().cell_network()
            assert network is not None
            first, last = network.layers
            between = Dense(last.weight.T @ last.weight, first.bias, "elu")
            return CellNetwork(network.filters, (first, between, last), network.boundary, fire_rate=0.5, alive=network.alive)

        def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
            hidden = torch.relu(self.hidden(self.perceive(cells)))
            weight = self.update.weight.flatten(1)
            mixed = nn.functional.conv2d(hidden, (weight.T @ weight)[..., None, None], self.hidden.bias)
            return self.update(nn.functional.elu(mixed))

    torch.manual_seed(0)
    law = Deeper(6, 16)
    nn.init.normal_(law.update.weight, std=0.3)
    assert_the_same(*both(law, grown(8, 8), 3))


def test_weights_of_any_memory_layout_equal_the_law() -> None:
    class Turned(GrowingNCA):
        def cell_network(self) -> CellNetwork:
            network = super().cell_network()
            assert network is not None
            first, last = network.layers
            return dataclasses.replace(network, layers=(dataclasses.replace(first, weight=first.weight.T.contiguous().T), last))

    torch.manual_seed(0)
    law = Turned(6, 16)
    nn.init.normal_(law.update.weight, std=0.1)
    assert_the_same(*both(law, grown(9, 12), 3))


def test_a_law_that_differs_from_its_cell_network_is_its_own_training_step() -> None:
    class Other(GrowingNCA):
        def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
            return 2 * super().change(cells, *memory)

    hooked = nca()
    hooked.hidden.register_forward_hook(lambda *_: None)
    for law in (Other(6, 16), hooked):
        assert training_step(law) is law


def test_where_no_cell_dies_all_cells_that_fire_are_computed() -> None:
    class Undying(GrowingNCA):
        def cell_network(self) -> CellNetwork:
            network = super().cell_network()
            assert network is not None
            return dataclasses.replace(network, alive=None)

        def living(self, cells: Tensor) -> Tensor:
            return torch.ones_like(cells[:, :1], dtype=torch.bool)

    torch.manual_seed(0)
    law = Undying(6, 16)
    nn.init.normal_(law.update.weight, std=0.1)
    ours, laws = both(law, grown(9, 12), 3)
    assert laws[0][1, :, 0].any()  # dead ground, but for that
    assert_the_same(ours, laws)


def test_autocast_changes_nothing() -> None:
    law, cells = nca(), grown(9, 12)
    exact = rolled_out(SparseTrainingStep(law), law, cells, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rolled_out(SparseTrainingStep(law), law, cells, 3)[0], exact[0])


def test_other_laws_are_their_own_training_step() -> None:
    assert isinstance(training_step(nca()), SparseTrainingStep)
    for law in (LAWS["MLP"](d_state=2), LAWS["Life"](), nca("reflect"), nca().double(), nn.Conv2d(3, 3, 1)):
        assert training_step(law) is law


def test_without_a_compiler_the_law_is_the_step_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise NativeKernelError("no C++ compiler found (g++ or clang++)")

    monkeypatch.setattr("aetheria.stepping.cpu.training_step.native_kernel", none)
    law = nca()
    with caplog.at_level(logging.WARNING):
        assert training_step(law) is law
    assert "no C++ compiler found" in caplog.text
