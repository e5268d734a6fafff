"""Chunks on an emulated CUDA device: their length, how many are queued, and clean-ups while frames are watched."""

from collections.abc import Callable

import pytest
import torch

from aetheria.laws import Life
from aetheria.motor import loop, pace
from aetheria.motor.loop import StepLoop
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.optimizer import MB, GPUOptimizer
from tests.stepping.emulated_cuda import EmulatedDevice, EmulatedEvent, emulate


class Paced:
    """A step loop whose steps are work of a given time on an emulated device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[], float]) -> None:
        self.device = EmulatedDevice()
        self.chunks: list[int] = []
        self.rate = 0.0
        monkeypatch.setattr(torch.cuda, "Event", self.device.event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _=None: None)
        for module in (loop, pace):
            if hasattr(module, "time"):
                monkeypatch.setattr(module.time, "perf_counter", lambda: self.device.now)
        settings = {"plan": "eager", "empty_cache_interval": 0, "check_interval": 0}
        motor = Aetheria_Motor(Life(), 4, 1, "cpu", settings)
        motor.warm_up()
        motor.optimizer.device = torch.device("cuda", 0)
        stepper = motor._loop.stepper

        def advance(_: object, steps: int) -> None:
            self.chunks.append(steps)
            self.device.queue(steps * seconds())
            stepper.go_to(stepper.state, stepper.step + steps, 0)

        monkeypatch.setattr(stepper, "advance", advance)
        self.loop = StepLoop(stepper, motor.optimizer, motor._loop.edits, 0)
        monkeypatch.setattr(self.loop.feed, "rate", lambda: self.rate)


def test_chunks_settle_at_fifty_milliseconds_and_at_half_a_frames_time_when_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    paced = Paced(monkeypatch, lambda: 1e-3)
    paced.loop.step(6000)
    settled = paced.chunks[20:-1]
    assert len(settled) > 50
    assert set(settled) <= {49, 50, 51}
    paced.rate = 60.0
    paced.chunks.clear()
    paced.loop.step(1000)
    assert set(paced.chunks[20:-1]) <= {7, 8, 9}


def test_no_more_than_two_chunks_are_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    behind: list[float] = []

    def cost() -> float:
        behind.append(paced.device.free_at - paced.device.now)
        return 1e-3

    paced = Paced(monkeypatch, cost)
    paced.loop.step(2000)
    assert 0.04 < max(behind) < 0.06, "seconds of work that are queued when a chunk is launched"


def test_chunks_follow_steps_that_get_slower_and_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = [1e-3]
    paced = Paced(monkeypatch, lambda: cost[0])
    for seconds, wanted in ((1e-3, 50), (1e-2, 5), (2e-3, 25)):
        cost[0] = seconds
        paced.loop.step(30 * wanted)
        assert abs(paced.loop._pace.steps - wanted) <= 1


# -- clean-ups ---------------------------------------------------------------------------------------------------------


class Allocator:
    """torch's caching allocator, as far as memory that is cached and freed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cached = self.freed = 0
        monkeypatch.setattr(GPUOptimizer, "_spare_bytes", lambda _: self.cached)
        monkeypatch.setattr(torch.cuda, "empty_cache", self.empty)

    def empty(self) -> None:
        self.cached, self.freed = 0, self.freed + 1


def test_memory_that_frames_need_again_is_freed_more_and_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator, optimizer = Allocator(monkeypatch), GPUOptimizer(torch.device("cuda", 0))
    for _ in range(640):
        allocator.cached = 30 * MB
        optimizer.clean_up_after_steps(1)
    assert 8 < allocator.freed < 20
    stats = optimizer.cleanup_stats
    assert (stats.done, stats.skipped) == (allocator.freed, 640 - allocator.freed)


def test_memory_that_is_cached_once_is_freed_at_the_next_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator, optimizer = Allocator(monkeypatch), GPUOptimizer(torch.device("cuda", 0))
    for number in range(1, 4):
        allocator.cached = 30 * MB
        optimizer.clean_up_after_steps(1)
        assert (allocator.freed, allocator.cached) == (number, 0)
        for _ in range(200):
            optimizer.clean_up_after_steps(1)
    assert allocator.freed == 3


def test_a_clean_up_asked_for_frees_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator, optimizer = Allocator(monkeypatch), GPUOptimizer(torch.device("cuda", 0))
    for number in range(1, 5):
        allocator.cached = 30 * MB
        optimizer.clean_up_after_steps(1)
        allocator.cached = 30 * MB
        freed = allocator.freed
        assert optimizer.clean_up(), number
        assert allocator.freed == freed + 1


def test_clean_ups_that_fall_due_in_one_chunk_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator, optimizer = Allocator(monkeypatch), GPUOptimizer(torch.device("cuda", 0))
    allocator.cached = 30 * MB
    optimizer.clean_up_after_steps(163)
    assert (optimizer.cleanup_stats.done, optimizer.cleanup_stats.skipped) == (1, 162)


def test_a_clean_up_after_a_failed_capture_of_torch_2_11_frees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    Allocator(monkeypatch).cached = 0
    optimizer = GPUOptimizer(torch.device("cuda", 0))
    monkeypatch.setattr(GPUOptimizer, "_spare_bytes", lambda _: 30 * MB)
    monkeypatch.setattr(torch.cuda, "empty_cache", fail)
    assert not optimizer.clean_up()


def test_small_tensors_stay_on_the_gpu_and_large_ones_may_go() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    optimizer = GPUOptimizer(torch.device("cuda", 0))
    with FakeTensorMode():
        small, large = torch.empty(2**20, device="cuda"), torch.empty(2**22, device="cuda")
        assert optimizer.should_keep_on_gpu(small)
        assert not optimizer.should_keep_on_gpu(large)
        assert optimizer.should_keep_on_gpu(large, size_threshold_mb=17)
        assert not optimizer.should_keep_on_gpu(small, size_threshold_mb=4)
    assert not optimizer.should_keep_on_gpu(torch.empty(4))


def test_waiting_for_the_device_leaves_the_core_to_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    device = emulate(monkeypatch)
    asked: list[dict[str, bool]] = []

    def event(**options: bool) -> EmulatedEvent:
        asked.append(options)
        return device.event()

    monkeypatch.setattr(torch.cuda, "Event", event)
    timer = pace.DeviceChunkTimer(torch.device("cuda", 0))
    timer.start()
    timer.stop(1)
    assert asked
    assert all(options.get("blocking") for options in asked)
