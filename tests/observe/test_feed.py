"""Subscriptions, transfers and the optimizer: who gets what, and that nobody asking costs nothing."""

import mmap
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria import Life
from aetheria.core.errors import ConfigError, StateError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.feed import Subscription
from aetheria.observe.fields import Field
from aetheria.observe.frame import Frame
from aetheria.stepping import State

EAGER = {"plan": "eager"}


class Counter(nn.Module):
    def forward(self, cells: Tensor) -> Tensor:
        return cells + 1


@pytest.fixture
def motor() -> Iterator[Aetheria_Motor]:
    with Aetheria_Motor(Counter(), 8, 1, "cpu", EAGER, initial=torch.zeros(1, 8, 8)) as motor:
        yield motor


def test_a_lossless_subscriber_gets_every_multiple_and_the_first_step(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=10, delivery="lossless", capacity=100)
    for n in (3, 4, 30, 1, 12):
        motor.step(n)
    subscription.close()
    frames = list(subscription)
    assert [f.step for f in frames] == [0, 10, 20, 30, 40, 50]
    assert [float(f["channel_0"].max()) for f in frames] == [0, 10, 20, 30, 40, 50]


def test_a_late_subscriber_joins_at_the_next_multiple(motor: Aetheria_Motor) -> None:
    motor.step(7)
    subscription = motor.subscribe(every=5, delivery="lossless")
    motor.step(5)
    subscription.close()
    assert [f.step for f in subscription] == [10]


def test_latest_keeps_one_frame_and_makes_none_while_it_waits(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1)
    motor.step(50)
    assert motor.optimizer.transfer_stats.frames == 1
    frame = subscription.get(0)
    assert frame is not None
    assert frame.step == 0
    motor.step(5)
    frame = subscription.get(0)
    assert frame is not None
    assert frame.step == 51
    assert subscription.get(0) is None


def test_recent_keeps_the_newest_frames_in_order_and_the_motor_never_waits(motor: Aetheria_Motor) -> None:
    with motor.subscribe(delivery="recent", capacity=4, fields=["density"]) as frames:
        motor.step(9)
        assert frames.dropped == 6
        assert [frame.step for frame in iter(lambda: frames.get(0), None)] == [6, 7, 8, 9]
        motor.restart()  # as under no recorder
        motor.step(1)
        assert [frame.step for frame in iter(lambda: frames.get(0), None)] == [0, 1]


def test_transfers_are_counted_in_frames_and_bytes(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=5, size=4, dtype="uint8", levels={"channel_0": (0, 100)}, delivery="lossless")
    motor.step(10)
    stats = motor.optimizer.transfer_stats
    assert (stats.frames, stats.bytes) == (3, 3 * 4 * 4)
    frame = subscription.get(0)
    assert frame is not None
    assert frame["channel_0"].dtype == np.uint8


@pytest.mark.parametrize("way", ["nobody", "disabled", "closed"])
def test_with_nobody_to_see_nothing_is_computed_and_nothing_leaves(
    motor: Aetheria_Motor, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    monkeypatch.setattr(Field, "__call__", lambda self, _: computed.append(self.name))
    if way != "nobody":
        subscription = motor.subscribe(every=1, fields=["density", "mass"])
        if way == "closed":
            subscription.close()
    motor.live_feed_enabled = way != "disabled"
    motor.step(100)
    stats = motor.optimizer.transfer_stats
    assert (stats.frames, stats.bytes, computed) == (0, 0, [])


def test_the_feed_can_be_switched_back_on(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=10, delivery="lossless")
    motor.live_feed_enabled = False
    motor.step(25)
    motor.live_feed_enabled = True
    motor.step(10)
    subscription.close()
    assert [f.step for f in subscription] == [30]


def test_downsampling_happens_before_the_transfer_and_by_area() -> None:
    cells = torch.arange(64.0).reshape(1, 8, 8)
    motor = Aetheria_Motor(nn.Identity(), 8, 1, "cpu", EAGER, initial=cells)
    small = motor.read("channel_0", size=(2, 4))
    assert torch.allclose(small[0], cells.reshape(2, 4, 4, 2).mean((1, 3)))


def test_a_full_lossless_queue_makes_the_motor_wait_and_loses_nothing(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1, delivery="lossless", capacity=2)
    steps: list[int] = []

    def read_slowly() -> None:
        for frame in subscription:
            time.sleep(0.005)
            steps.append(frame.step)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    motor.step(40)
    subscription.close()
    reader.join()
    assert steps == list(range(41))
    assert subscription.waited_s > 0


def test_waiting_is_said_once_also_where_each_wait_is_short(
    motor: Aetheria_Motor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aetheria.observe.feed._TOLD_S", 0.1)

    def read_slowly() -> None:
        for _ in subscription:
            time.sleep(0.005)

    with motor.subscribe(every=1, delivery="lossless", capacity=1) as subscription:
        reader = threading.Thread(target=read_slowly)
        reader.start()
        while subscription.waited_s < 0.1:
            motor.step(1)
        motor.step(20)
    reader.join()
    assert caplog.messages == ["the motor waits: a reader is behind by 1 frames"]


def test_a_reader_may_read_cells_while_the_motor_waits_for_it(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1, delivery="lossless", capacity=1)
    means: list[float] = []
    reader = threading.Thread(target=lambda: means.extend(float(motor.cells.mean()) for _ in subscription))
    reader.start()
    motor.step(20)
    subscription.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(means) == 21


def test_waiting_for_oneself_is_an_error_not_a_deadlock(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1, delivery="lossless", capacity=2)
    assert subscription.get(0) is None  # this thread reads
    with pytest.raises(StateError, match="no other thread reads"):
        motor.step(10)


def test_a_failed_reader_stops_the_motor(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=10, delivery="lossless", capacity=100)
    motor.step(5)
    subscription.fail(OSError("the disk is gone"))
    with pytest.raises(OSError, match="the disk is gone"):
        motor.step(100)
    assert motor.step_count == 10


def test_a_reader_that_fails_while_the_motor_waits_for_it_is_what_the_motor_raises(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1, delivery="lossless", capacity=1)

    def read_and_fail() -> None:
        subscription.get()
        while not subscription.full:
            time.sleep(0.001)
        time.sleep(0.01)  # the motor now waits for room
        subscription.fail(OSError("the disk is gone"))

    reader = threading.Thread(target=read_and_fail)
    reader.start()
    with pytest.raises(OSError, match="the disk is gone"):
        motor.step(100)
    reader.join()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"fields": ["densty"]}, 'field "densty": no such field of this law; did you mean density'),
        ({"fields": ["phase"]}, "no such field"),
        ({"fields": ["channel_1"]}, "expected channel_0 to channel_0"),
        ({"fields": ["density", "density"]}, "each once"),
        ({"every": 0}, "every 0"),
        ({"every": 2.5}, "every 2.5"),
        ({"fields": "density"}, 'expected a list of names, as in \\["density"\\]'),
        ({"dtype": "uint8", "levels": {"channel_0": (0,)}}, "expected \\(low, high\\)"),
        ({"delivery": "late"}, 'delivery: "late" given'),
        ({"size": 0}, "size: 0 given"),
        ({"dtype": "int4"}, 'dtype: "int4" given'),
        ({"dtype": "uint8", "fields": ["density"]}, "no fixed range; uint8 needs levels"),
        ({"dtype": "uint8", "levels": {"channel_0": (1, 1)}}, "finite low < high"),
        ({"levels": {"energy": (0, 1)}}, "levels: energy given, but only channel_0"),
    ],
)
def test_a_bad_subscription_is_refused(motor: Aetheria_Motor, wanted: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        motor.subscribe(**wanted)  # type: ignore[arg-type]


def test_memory_statistics_on_the_cpu_are_the_process_resident_memory(motor: Aetheria_Motor) -> None:
    motor.step(3)
    stats = motor.optimizer.get_memory_stats()
    assert stats["device"] == "cpu"
    assert stats["step_count"] == 3
    before = float(stats["resident_mb"])
    # From the system itself: what this process freed may still be resident, and be used again.
    with mmap.mmap(-1, 64 * 2**20) as ballast:
        ballast.write(b"x" * len(ballast))
        assert float(motor.optimizer.get_memory_stats()["resident_mb"]) - before > 50


def test_clean_ups_come_at_their_interval_and_are_skipped_with_nothing_to_give(motor: Aetheria_Motor) -> None:
    assert motor.optimizer.empty_cache_interval == 100
    motor.step(250)
    assert (motor.optimizer.cleanup_stats.done, motor.optimizer.cleanup_stats.skipped) == (0, 2)
    motor.optimizer.empty_cache_interval = 50
    motor.step(100)
    assert motor.optimizer.cleanup_stats.skipped == 4
    motor.optimizer.empty_cache_interval = 0
    motor.step(100)
    assert motor.optimizer.cleanup_stats.skipped == 4
    with pytest.raises(ConfigError, match="whole number of steps"):
        motor.optimizer.empty_cache_interval = -1


def test_tensors_on_the_cpu_need_not_be_kept_on_the_gpu(motor: Aetheria_Motor) -> None:
    assert not motor.optimizer.should_keep_on_gpu(torch.zeros(2**24), size_threshold_mb=5.0)


def test_a_batch_of_tensors_arrives_equal_and_is_counted(motor: Aetheria_Motor) -> None:
    tensors = [torch.arange(10.0), torch.ones(3, 3)]
    moved = motor.optimizer.move_to_cpu_batch(tensors)
    assert all(torch.equal(a, b) and a.data_ptr() != b.data_ptr() for a, b in zip(tensors, moved, strict=True))
    assert motor.optimizer.transfer_stats.bytes == 40 + 36


SWITCHES = pytest.mark.parametrize(("deterministic", "precision", "wanted"), [(False, "fp32", "ieee"), (True, "tf32", "tf32")])


def switches() -> tuple[bool, bool, str]:
    cudnn = torch.backends.cudnn
    return cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision  # type: ignore[attr-defined]


class Looks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[bool, bool, str]] = set()

    def forward(self, cells: Tensor) -> Tensor:
        self.seen.add(switches())
        return cells


@SWITCHES
def test_numeric_switches_are_set_for_cuda_and_restored(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool, precision: str, wanted: str
) -> None:
    settings = {**EAGER, "deterministic": deterministic, "precision": precision}
    optimizer, before = Aetheria_Motor(Looks(), 4, 1, "cpu", settings).optimizer, switches()
    monkeypatch.setattr(optimizer, "device", torch.device("cuda", 0))
    with optimizer.numerics():
        assert switches() == (not deterministic, deterministic, wanted)
    assert switches() == before


def test_on_the_cpu_numeric_switches_are_left_alone() -> None:
    law, before = Looks(), switches()
    Aetheria_Motor(law, 4, 1, "cpu", {**EAGER, "deterministic": True, "precision": "tf32"}).step()
    assert law.seen == {before}


@pytest.mark.gpu
@SWITCHES
def test_numeric_switches_hold_while_stepping(deterministic: bool, precision: str, wanted: str) -> None:
    law, before = Looks(), switches()
    Aetheria_Motor(law, 4, 1, "cuda", {**EAGER, "deterministic": deterministic, "precision": precision}).step()
    assert law.seen == {(not deterministic, deterministic, wanted)}
    assert switches() == before


def test_energy_is_the_change_the_next_step_makes() -> None:
    motor = Aetheria_Motor(Life(), 16, 1, "cpu", EAGER, seed=1)
    energy, before = motor.read("energy"), motor.cells
    motor.step()
    assert torch.equal(energy, (motor.cells - before).square().sum(1))


@pytest.mark.gpu
def test_gpu_memory_statistics_transfers_and_clean_up() -> None:
    motor = Aetheria_Motor(Counter(), 256, 1, "cuda", EAGER, initial=torch.zeros(1, 256, 256))
    subscription = motor.subscribe(every=10, delivery="lossless", capacity=100)
    motor.step(200)
    subscription.close()
    assert [float(f["channel_0"].min()) for f in subscription] == [float(n) for n in range(0, 201, 10)]
    stats = motor.optimizer.get_memory_stats()
    assert stats["device"] == "cuda:0"
    assert {"gpu_allocated_mb", "gpu_reserved_mb", "gpu_max_allocated_mb"} <= stats.keys()
    ballast = torch.empty(2**26, device="cuda")
    assert motor.optimizer.should_keep_on_gpu(ballast)
    assert not motor.optimizer.should_keep_on_gpu(ballast[:10])
    del ballast
    assert motor.optimizer.clean_up()
    assert not motor.optimizer.clean_up()


def test_a_reader_that_died_is_an_error_not_a_deadlock(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1, delivery="lossless", capacity=2)
    reader = threading.Thread(target=lambda: subscription.get(0))
    reader.start()
    reader.join()
    with pytest.raises(StateError, match="no other thread reads"):
        motor.step(10)


def test_subscriptions_made_by_other_threads_while_stepping_are_all_served(motor: Aetheria_Motor) -> None:
    made: list[Subscription] = []

    def subscribe() -> None:
        made.extend(motor.subscribe(every=1) for _ in range(200))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=subscribe) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            motor.step(1)
    finally:
        sys.setswitchinterval(before)
    motor.step(1)
    assert len(made) == 600
    assert all(subscription.get(0) is not None for subscription in made)


def test_after_a_full_queue_is_read_no_frame_is_missing_for_anybody(motor: Aetheria_Motor) -> None:
    small = motor.subscribe(every=1, delivery="lossless", capacity=2)
    large = motor.subscribe(every=1, delivery="lossless", capacity=100)
    assert small.get(0) is None  # this thread reads
    steps: list[int] = []
    for _ in range(4):
        with suppress(StateError):
            motor.step(5 - motor.step_count)
        while (frame := small.get(0)) is not None:
            steps.append(frame.step)
    large.close()
    assert steps == [0, 1, 2, 3, 4, 5]
    assert [frame.step for frame in large] == steps


def test_asking_without_waiting_does_not_wait(motor: Aetheria_Motor, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = motor.subscribe(every=1)
    waits: list[object] = []
    original = subscription._frames.get

    def spy(block: bool, timeout: float) -> Frame | None:
        waits.append(block)
        return original(block, timeout)

    monkeypatch.setattr(subscription, "_frames", SimpleNamespace(get=spy))
    assert subscription.get(0) is None
    assert waits == [False]


def test_an_edit_is_shown_to_a_viewer_without_a_step(motor: Aetheria_Motor) -> None:
    subscription = motor.subscribe(every=1)
    motor.step(0)
    assert subscription.get(0) is not None
    motor.step(0)
    assert subscription.get(0) is None
    motor.set_cells(torch.full((1, 8, 8), 7.0))
    motor.step(0)
    frame = subscription.get(0)
    assert frame is not None
    assert (frame["channel_0"] == 7).all()


def test_a_run_is_not_rewound_under_a_recorder(motor: Aetheria_Motor) -> None:
    start = motor.state_dict()
    motor.step(3)
    subscription = motor.subscribe(every=1, delivery="lossless")
    with pytest.raises(StateError, match="only go forward"):
        motor.load_state_dict(start)
    subscription.close()
    motor.load_state_dict(start)
    assert motor.step_count == 0


def test_switching_the_feed_off_under_a_recorder_is_said(motor: Aetheria_Motor, caplog: pytest.LogCaptureFixture) -> None:
    motor.subscribe(every=1)
    motor.live_feed_enabled = False
    assert caplog.text == ""
    motor.subscribe(every=1, delivery="lossless")
    motor.live_feed_enabled = False
    assert "1 recorder(s) miss the frames" in caplog.text


def life_motor(height: int, width: int) -> Aetheria_Motor:
    return Aetheria_Motor(Life(), (height, width), 1, "cpu", EAGER)


def watched(motor: Aetheria_Motor, **wanted: Any) -> Subscription:
    return motor.watch(motor.request(**wanted), rate=1000)


def test_a_watched_part_is_that_part_of_the_field() -> None:
    motor = life_motor(24, 40)
    whole = motor.read("channel_0")
    with watched(motor, region=(3, 5, 10, 20), universe=0, finite=True) as frames:
        motor.step(0)
    frame = frames.get(0)
    assert frame is not None
    assert np.array_equal(frame["channel_0"], whole[:1, 3:13, 5:25].numpy())
    assert frame["finite"].tolist() == [True]


def test_the_nearest_cell_keeps_the_extremes_that_a_mean_loses() -> None:
    motor = life_motor(64, 64)
    with (
        watched(motor, size=8, reduction="nearest") as nearest,
        watched(motor, size=8) as mean,
    ):
        motor.step(0)
    few, averaged = nearest.get(0), mean.get(0)
    assert few is not None
    assert averaged is not None
    assert set(np.unique(few["channel_0"])) == {0.0, 1.0}
    assert np.array_equal(few["channel_0"], motor.read("channel_0")[:, 4::8, 4::8].numpy())
    assert 0 < averaged["channel_0"].min() < averaged["channel_0"].max() < 1


def test_pixels_that_cannot_hold_nan_say_so() -> None:
    motor = Aetheria_Motor(Overflowing(), 8, 1, "cpu", {"plan": "eager", "check_interval": 0})
    with watched(motor, dtype="uint8", levels={"channel_0": (0, 1)}, finite=True) as frames:
        motor.step(0)
        before = frames.get(0)
        motor.step(1)
        time.sleep(0.002)
        motor.refresh()
        after = frames.get(0)
    assert before is not None
    assert after is not None
    assert (before["finite"].tolist(), after["finite"].tolist()) == ([True], [False])


class Overflowing(nn.Module):
    def forward(self, cells: Tensor) -> Tensor:
        return cells * float("inf")


def test_a_rate_makes_so_many_frames_and_does_not_shorten_chunks_to_single_steps() -> None:
    motor = life_motor(8, 8)
    motor.warm_up()
    chunks: list[int] = []
    plan = motor.plan
    assert plan is not None
    advance = plan.advance

    def counted(held: State, steps: int, first: int = 0) -> State:
        chunks.append(steps)
        return advance(held, steps, first)

    plan.advance = counted  # type: ignore[method-assign]
    taken = 0
    with motor.watch(motor.request(), rate=20) as frames:
        began = time.monotonic()
        while time.monotonic() - began < 0.5:
            motor.step(50)
            taken += frames.get(0) is not None
    assert 1 <= taken <= 11
    assert max(chunks) > 10


def test_a_motor_that_stands_still_shows_its_cells_again_when_asked() -> None:
    motor = life_motor(8, 8)
    with motor.watch(motor.request(), rate=1) as frames:
        motor.refresh()
        first = frames.get(0)
        frames.request = motor.request(region=(0, 0, 2, 2))
        motor.refresh()
        motor.refresh()  # one waits already
        second = frames.get(0)
        assert frames.get(0) is None
    assert first is not None
    assert second is not None
    assert second["channel_0"].shape == (1, 2, 2)
    assert frames.dropped == 1


def test_a_reader_can_tell_that_the_frame_it_got_is_not_the_newest() -> None:
    motor = life_motor(8, 8)
    with motor.watch(motor.request(), rate=1) as frames:
        motor.refresh()
        behind = [frames.behind]
        motor.set_cells(torch.ones(1, 8, 8))
        motor.refresh()
        assert frames.get(0) is not None
        behind += [frames.behind]
        motor.refresh()
        edited = frames.get(0)
        behind += [frames.behind]
    assert behind == [False, True, False]
    assert edited is not None
    assert (edited["channel_0"] == 1).all()


def test_of_two_frames_that_two_threads_made_the_newer_waits() -> None:
    motor = life_motor(8, 8)
    with motor.watch(motor.request()) as frames:
        older, newer = motor.look(motor.request()), motor.look(motor.request())
        for pair in ((older, newer), (newer, older)):
            for frame in pair:
                frames.put(frame)
            assert frames.get(0) is newer


def test_a_latest_reader_that_stopped_reading_never_holds_up_the_motor() -> None:
    motor = life_motor(8, 8)
    with motor.watch(motor.request(), rate=1000) as frames:
        for _ in range(20):
            motor.step(1)
            motor.refresh()
        assert frames.dropped > 0


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"region": (0, 0, 9, 1)}, "region: 9 x 1 cells at .* grid of 8 x 8"),
        ({"region": (-1, 0, 1, 1)}, "region"),
        ({"universe": 1}, "universe: 1 given; expected 0 to 0"),
        ({"reduction": "median"}, 'reduction: "median" given; expected one of mean, nearest'),
    ],
)
def test_a_part_that_is_not_there_is_refused(part: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        life_motor(8, 8).request(**part)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), 1001])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    motor = life_motor(8, 8)
    with pytest.raises(ConfigError, match="subscription rate"):
        motor.watch(motor.request(), rate=rate)


def test_a_look_is_one_frame_of_the_present_cells_from_any_thread() -> None:
    motor = life_motor(8, 8)
    motor.step(3)
    request = motor.request(["channel_0", "population"], region=(0, 0, 4, 4))
    frame = motor.look(request)
    assert (frame.step, frame.request) == (3, request)
    assert np.array_equal(frame["channel_0"], motor.cells[:, 0, :4, :4].numpy())
    assert frame["population"] == [float(motor.cells.sum())]
    assert motor.optimizer.transfer_stats.frames == 1
