"""CUDA graphs: chunks, buffers and edits; on the CPU with graphs that call the work again instead of replaying it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from aetheria.laws import Life
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import compiled, cuda_graph, factories
from aetheria.stepping.cuda_graph import LENGTHS, Graphed
from aetheria.stepping.plan_factory import PlanFactory
from tests.small_laws import small_law, width_of


class Remembered:
    """Stands in for a CUDA graph: work on fixed buffers, which `replay` does again."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.replay = work


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Graphed` on the CPU, without CUDA."""

    def captured(self: Graphed, steps: int) -> Remembered:
        return Remembered(lambda: cuda_graph._copy(self._inner.advance(self._buffers, steps), self._buffers))

    monkeypatch.setattr(Graphed, "_warm_up", lambda _: None)
    monkeypatch.setattr(Graphed, "_captured", captured)
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    only = next(one for one in factories.PLAN_FACTORIES if one.name == "graphed")
    able = PlanFactory(only.name, only.reason, only.worth, lambda _: "", only.make)
    monkeypatch.setattr("aetheria.stepping.choose.PLAN_FACTORIES", (able,))


def run(device: str, name: str, plan: str) -> list[Any]:
    """All states and frames of a run with reads, edits and odd chunks, in order."""
    law = small_law(name)
    motor = Aetheria_Motor(law, (16, 20), width_of(law), device, {"plan": plan}, seed=7, initial="noise", batch=2)
    seen: list[Any] = []
    with motor.subscribe(every=3, fields=["channel_0"], delivery="lossless", capacity=200) as frames:
        motor.step(LENGTHS[0] + 3)
        seen.append(motor.cells)
        motor.step(1)
        saved = motor.state_dict()
        motor.step(2 * LENGTHS[0])
        motor.set_cells(motor.cells.flip(-1))
        motor.step(5)
        with torch.no_grad():
            for parameter in law.parameters():
                parameter.mul_(1.01)
        motor.step(2)
        seen.append(motor.cells)
    motor.load_state_dict(saved)
    for parameter_name, parameter in list(law.named_parameters()):
        module, _, last = parameter_name.rpartition(".")
        setattr(law.get_submodule(module), last, nn.Parameter(parameter.detach() * 1.01))
    motor.step(4)
    assert motor.plan.name == plan
    return [*seen, *saved["memory"], saved["cells"], motor.cells, *(torch.as_tensor(frame["channel_0"]) for frame in frames)]


def assert_same(some: list[Any], others: list[Any], exact: bool) -> None:
    assert len(some) == len(others) > 10
    for one, other in zip(some, others, strict=True):
        tolerance = 0.0 if exact else 1e-3 * float(other.abs().max().clamp_min(1e-30))
        torch.testing.assert_close(one.cpu(), other.cpu(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["MLP", "GrowingNCA", "ConvLSTM", "Life"])
@pytest.mark.usefixtures("remembering")
def test_a_graphed_run_gives_the_frames_and_states_of_eager(name: str) -> None:
    assert_same(run("cpu", name, "graphed"), run("cpu", name, "eager"), exact=True)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["MLP", "DEEP_QCA", "UNet", "ConvLSTM", "GrowingNCA", "Life", "Lenia"])
def test_a_graphed_run_on_a_gpu_gives_the_frames_and_states_of_eager(name: str) -> None:
    assert_same(run("cuda", name, "graphed"), run("cuda", name, "eager"), exact=name == "Life")


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "plan"), [("MLP", "fused"), ("DEEP_QCA", "fused"), ("GrowingNCA", "fused"), ("Life", "packed")]
)
def test_our_kernels_in_graphs_on_a_gpu_give_the_frames_and_states_of_eager(name: str, plan: str) -> None:
    assert_same(run("cuda", name, plan), run("cuda", name, "eager"), exact=name == "Life")


@pytest.mark.gpu
def test_packed_life_on_a_gpu_is_exact_on_odd_sizes() -> None:
    for size in ((17, 63), (40, 130), (3, 64)):
        fast, eager = (Aetheria_Motor(Life(), size, 1, "cuda", {"plan": plan}, seed=3) for plan in ("packed", "eager"))
        for motor in (fast, eager):
            motor.step(LENGTHS[0] + 5)
        assert torch.equal(fast.cells, eager.cells)


@pytest.mark.gpu
def test_memory_on_a_gpu_stays_flat_over_many_steps() -> None:
    law = small_law("GrowingNCA")
    motor = Aetheria_Motor(law, 64, width_of(law), "cuda", initial="noise")
    motor.step(1000)
    before = torch.cuda.memory_allocated()
    motor.step(100_000)
    assert torch.cuda.memory_allocated() <= before
