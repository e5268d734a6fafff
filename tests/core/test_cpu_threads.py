"""Torch in one thread, and only where that is asked for."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import aetheria.observe.render
from aetheria import Aetheria_Motor, build_law
from aetheria.core.cpu_threads import one_thread, threads_outside
from aetheria.laws import Law, UNet
from aetheria.laws.layers import Conv
from aetheria.observe.fields import FIELDS, View
from aetheria.stepping.cpu.winograd import Winograd


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_a_new_thread() -> int:
    """With how many threads torch computes there."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_torch_computes_alone_inside_and_as_before_outside_and_in_threads_that_begin_meanwhile() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        assert in_a_new_thread() == 2
    assert torch.get_num_threads() == 2
    with one_thread(wanted=False):
        assert torch.get_num_threads() == 2


def test_kernels_have_all_threads_inside_too() -> None:
    with one_thread():
        assert threads_outside() == 2
        with one_thread():
            assert threads_outside() == 2
        assert torch.get_num_threads() == 1
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == threads_outside() == 2
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert torch.get_num_threads() == 2


def test_a_thread_that_begins_inside_it_knows_how_many_there_are_after_it() -> None:
    found: list[int] = []

    def begin() -> None:
        with one_thread():
            torch.zeros(100_000).add_(1)
            found.append(torch.get_num_threads())
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert found == [1, 2]


def test_fields_of_grids_that_take_moments_are_computed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = Aetheria_Motor(build_law("Lenia"), 32, 1, "cpu", {"plan": "eager"})
    threads: list[int] = []

    def compute(view: View, channel: int) -> Tensor:
        threads.append(torch.get_num_threads())
        return view.cells[:, channel]

    monkeypatch.setitem(FIELDS, "channel", replace(FIELDS["channel"], compute=compute))
    motor.look(motor.request(["channel_0"]))
    monkeypatch.setattr(aetheria.observe.render, "_ALONE", 32 * 32 - 1)
    motor.look(motor.request(["channel_0"]))
    assert threads == [1, 2]


class Counting(UNet):
    """Says in how many threads torch runs while it steps."""

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        self.threads = torch.get_num_threads()
        return super().predict(cells, *memory)


class Heavy(Law):
    """Leaves torch a product that wants all threads."""

    channels = 16

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Conv(16, 16, 3, "zero"), nn.Sequential(nn.Conv2d(16, 16, 5, padding=2)))

    def forward(self, cells: Tensor) -> Tensor:
        self.threads = torch.get_num_threads()
        values: Tensor = self.layers(cells)
        return values


@pytest.mark.parametrize(("law", "threads"), [(Counting(8, 16), 1), (Heavy(), 2)])
def test_the_winograd_plan_leaves_torch_one_thread_unless_it_has_much_to_multiply(law: Law, threads: int) -> None:
    plan = Winograd(law)
    with torch.inference_mode():
        plan.advance(plan.pack((torch.randn(1, 16, 8, 8),)), 1)
    (stand_in,) = (stand_in for module, stand_in in plan._copies if module is law)
    assert stand_in.threads == threads
    assert torch.get_num_threads() == 2
