"""The logic around CUDA graphs, with an emulated device: what makes a graph stale, failed captures, work per chunk."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from aetheria.laws import Lenia, Life
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cuda_graph import LENGTHS, Graphed
from aetheria.stepping.gpu.bit_packed_life import PackedOnCuda
from aetheria.stepping.plan import Stepwise, make_call, make_step
from tests.small_laws import small_law, width_of
from tests.stepping.emulated_cuda import READS, EmulatedDevice, emulate

GRID = (16, 20)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    return emulate(monkeypatch)


def motor_of(law: nn.Module, plan: str = "graphed", **changes: Any) -> Aetheria_Motor:
    settings = {"plan": plan} | changes.pop("cfg", {})
    return Aetheria_Motor(law, GRID, width_of(law), "cpu", settings, seed=7, initial="noise", **changes)


def assert_alike(graphed: Aetheria_Motor, eager: Aetheria_Motor) -> None:
    """Both take odd numbers of steps and hold the same cells."""
    for motor in (graphed, eager):
        motor.step(LENGTHS[0] + 5)
    assert isinstance(graphed.plan, Graphed)
    assert torch.equal(graphed.cells, eager.cells)


@pytest.mark.parametrize("name", ["Lenia", "ConvLSTM", "GrowingNCA", "NeuralCA"])
def test_replayed_operations_give_the_states_of_eager_steps(name: str, device: EmulatedDevice) -> None:
    law = small_law(name)
    assert_alike(motor_of(law), motor_of(law, "eager"))


def test_another_lenia_motor_leaves_the_spectrum_that_a_graph_reads(device: EmulatedDevice) -> None:
    law = small_law("Lenia")
    assert isinstance(law, Lenia)
    first, eager = motor_of(law), motor_of(law, "eager")
    assert_alike(first, eager)
    (spectrum,) = law._spectra.values()
    captures = device.captures
    motor_of(law)
    assert next(iter(law._spectra.values())) is spectrum
    assert_alike(first, eager)
    assert device.captures == captures


@pytest.mark.parametrize(("name", "value"), [("R", 6), ("b", [1.0, 0.5]), ("core", "gaussian"), ("boundary", "zero")])
def test_a_lenia_whose_kernel_is_edited_steps_by_the_new_one(name: str, value: Any, device: EmulatedDevice) -> None:
    law: Any = small_law("Lenia")
    graphed, eager = motor_of(law), motor_of(law, "eager")
    assert_alike(graphed, eager)
    before = graphed.cells
    setattr(law, name, value)
    assert_alike(graphed, eager)
    assert not torch.equal(graphed.cells, before)


class Scaled(nn.Module):
    """A user's module with numbers and tensors of all kinds outside of parameters and buffers."""

    channels = 3

    def __init__(self) -> None:
        super().__init__()
        self.factor = 0.5
        self.weights = [0.1, 0.2]
        self.kernel = torch.full((3, 1, 1), 0.3)
        self.cached = {"shift": torch.full((3, 1, 1), 0.01)}

    def forward(self, cells: Tensor) -> Tensor:
        moved = cells.roll(1, -1) * self.factor + cells * self.weights[0]
        return torch.tanh(moved * self.kernel + self.cached["shift"])


def edit_number(law: Scaled) -> None:
    law.factor = 0.9


def edit_list(law: Scaled) -> None:
    law.weights[0] = -0.4


def edit_in_place(law: Scaled) -> None:
    law.kernel.mul_(2)


def replace_tensor(law: Scaled) -> None:
    law.kernel = torch.full((3, 1, 1), -0.7)


def replace_storage(law: Scaled) -> None:
    law.kernel.data = torch.full((3, 1, 1), -0.7)


def replace_cached(law: Scaled) -> None:
    law.cached["shift"] = torch.full((3, 1, 1), 0.2)


def add_hook(law: Scaled) -> None:
    law.register_forward_hook(lambda *args: args[-1] * 0.5)


@pytest.mark.parametrize(
    "edit", [edit_number, edit_list, edit_in_place, replace_tensor, replace_storage, replace_cached, add_hook]
)
def test_an_edit_of_anything_that_a_step_reads_counts_from_the_next_step(edit: Any, device: EmulatedDevice) -> None:
    laws = Scaled(), Scaled()
    graphed, eager = motor_of(laws[0]), motor_of(laws[1], "eager")
    assert_alike(graphed, eager)
    for law in laws:
        edit(law)
    assert_alike(graphed, eager)


def test_numbers_edited_in_place_and_controls_need_no_new_graph(device: EmulatedDevice) -> None:
    law: Any = small_law("Lenia")
    graphed, eager = motor_of(law), motor_of(law, "eager")
    assert_alike(graphed, eager)
    captures = device.captures
    law.set_control("m", 0.35)
    assert_alike(graphed, eager)
    scaled = Scaled()
    other = motor_of(scaled)
    other.step(3)
    edit_in_place(scaled)
    other.step(3)
    assert device.captures == captures + len(LENGTHS)


class Recalls(nn.Module):
    """A law of second order: its memory is the cells that it was given, without a copy."""

    channels = 1

    def forward(self, cells: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        return cells.roll(1, -1) - past, cells


def test_cells_that_a_law_returns_as_its_memory_are_kept_in_graphs_of_any_length(device: EmulatedDevice) -> None:
    state = (torch.rand(1, 1, 3, 5), torch.rand(1, 1, 3, 5))
    law, step = Recalls(), make_step(make_call(Recalls(), torch.device("cpu"), "fp32"))
    plan = Graphed("graphed", Stepwise("eager", step), law, state)
    held = plan.pack(state)
    with torch.no_grad():
        for steps in (1, 2, 1):
            held = plan.advance(held, steps)
            for _ in range(steps):
                state = law(*state)
            assert all(map(torch.equal, held, state))


def test_a_switch_of_precision_makes_a_new_plan(device: EmulatedDevice) -> None:
    motor = motor_of(small_law("MLP"))
    motor.step(3)
    plan, captures = motor.plan, device.captures
    motor.optimizer.precision = "fp32"
    motor.step(3)
    assert motor.plan is plan
    motor.optimizer.precision = "tf32"
    motor.step(3)
    assert motor.plan is not plan
    assert device.captures == captures + len(LENGTHS)


class Reads(nn.Module):
    """A module whose step waits for the device, which no graph can hold."""

    channels = 3

    def forward(self, cells: Tensor) -> Tensor:
        return cells * 0.5 if float(cells.sum()) < 1e9 else cells


def test_after_a_capture_that_fails_the_stream_is_the_one_before(device: EmulatedDevice) -> None:
    stream = device.stream
    motor, eager = motor_of(Reads()), motor_of(Reads(), "eager")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        motor.step(4)
    eager.step(4)
    assert device.captures == 1
    assert device.stream is stream
    assert motor.plan is not None
    assert motor.plan.name == "eager"
    assert "graphed failed: RuntimeError: operation not permitted" in str(caught[0].message)
    assert torch.equal(motor.cells, eager.cells)


# -- work per chunk ----------------------------------------------------------------------------------------------------


def test_packed_chunks_read_nothing_from_the_device_and_notice_another_rule(device: EmulatedDevice) -> None:
    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            assert func not in READS, "a value was read, for which the device would have to finish what is queued"
            return func(*args, **(kwargs or {}))

    law, cells = Life(), torch.zeros(1, 1, 8, 20)
    plan = Graphed("packed", PackedOnCuda(law, cells), law, (cells,))
    held = plan.pack((cells,))
    with Reads():
        for _ in range(3):
            assert not plan.stale()
            held = plan.advance(held, 5)
    law.rule = "B36/S125"
    assert plan.stale()


def test_a_chunk_makes_no_tensor_to_learn_whether_the_cells_can_diverge(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = motor_of(small_law("MLP"), "eager", cfg={"check_interval": 1000})
    motor.step(1)
    monkeypatch.setattr(type(motor.plan), "probe", lambda *_: pytest.fail("a tensor for the check was made"))
    motor.step(20)


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [False, True])
def test_an_exception_between_replays_leaves_the_steps_that_were_launched(inside: bool, device: EmulatedDevice) -> None:
    law = Scaled()
    state = (torch.rand(1, 3, 8, 8),)
    plan = Graphed("graphed", Stepwise("eager", make_step(make_call(law, torch.device("cpu"), "fp32"))), law, state)
    held = plan.advance(state, 3) if inside else plan.pack(state)
    expected = [tensor.clone() for tensor in held]
    replay, calls = plan._replays[4], iter(range(9))

    def interrupted() -> None:
        if next(calls) == 0:
            raise KeyboardInterrupt
        replay()

    plan._replays[4] = interrupted
    with pytest.raises(KeyboardInterrupt):
        plan.advance(held, LENGTHS[0] + 8 + 4 + 1)
    newest, taken = plan.reached(held)
    assert taken == LENGTHS[0] + 8
    with torch.no_grad():
        for _ in range(taken):
            expected = [law(*expected)]
    assert torch.equal(newest[0], expected[0])
    assert torch.equal(plan.advance(newest, 1)[0], law(expected[0]))


def test_an_exception_before_the_first_replay_leaves_the_given_state(device: EmulatedDevice) -> None:
    law, state = Scaled(), (torch.rand(1, 3, 8, 8),)
    plan = Graphed("graphed", Stepwise("eager", make_step(make_call(law, torch.device("cpu"), "fp32"))), law, state)
    assert plan.reached(state) == (state, 0)
    held = plan.advance(state, 5)
    newest, taken = plan.reached(held)
    assert (newest is held, taken) == (True, 0), "of a call that has not begun"
