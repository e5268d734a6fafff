"""Ctrl-C in code that steps a motor, with a recorder and readers: at every line and instruction, and at random moments."""

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from aetheria import Aetheria_Motor, GrowingNCA, Lenia, Life, Recorder, Recording
from aetheria.core import fair_lock
from aetheria.motor import loop, stepper
from aetheria.observe import feed
from aetheria.stepping import compiled, plan
from aetheria.stepping.cpu import bit_packed_life, lenia, local_network
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import fork_server
from benchmarks.faults.strikes import Strike, free_for_others

_CODE = (fair_lock, loop, stepper, feed, plan, compiled, bit_packed_life, lenia, local_network)
CASES: dict[str, Callable[[], Aetheria_Motor]] = {
    "Life, eager": lambda: _motor(Life(), 16, 1, "eager"),
    "Life, packed": lambda: _motor(Life(), 16, 1, "packed"),
    "GrowingNCA, eager": lambda: _motor(GrowingNCA(channels=4, hidden_channels=8), 8, 4, "eager"),
    "GrowingNCA, fused": lambda: _motor(GrowingNCA(channels=4, hidden_channels=8), 8, 4, "fused"),
    "Lenia, fused": lambda: _motor(Lenia(R=3), 16, 1, "fused"),
    "Life, compiled": lambda: _motor(Life(), 16, 1, "compiled"),
}
_LONGEST_S = 0.02  # until Ctrl-C
_FIRST = 200  # events that three steps have at least


def _motor(law: torch.nn.Module, side: int, channels: int, wanted: str) -> Aetheria_Motor:
    torch.manual_seed(0)
    for parameter in law.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return Aetheria_Motor(law, side, channels, "cpu", {"plan": wanted}, seed=2)


class Reference:
    """The cells of an uninterrupted run, by step."""

    def __init__(self, case: str) -> None:
        self._motor = CASES[case]()
        self._cells: list[Tensor] = [self._motor.cells]

    def at(self, step: int) -> Tensor:
        """The cells `(B, C, *grid)` after so many steps."""
        while len(self._cells) <= step:
            self._motor.step(1)
            self._cells.append(self._motor.cells)
        return self._cells[step]


def at_events(case: str, events: Literal["line", "opcode"]) -> Callable[[int], FaultResult]:
    """An exception at one event after another of three steps, with a lossless reader in another thread."""

    def inject(times: int) -> FaultResult:
        result, reference, got = FaultResult(), Reference(case), list[int]()
        with CASES[case]() as motor:
            motor.warm_up()
            subscription = motor.subscribe(every=2, delivery="lossless", capacity=2)
            reader = threading.Thread(target=lambda: got.extend(frame.step for frame in subscription))
            reader.start()
            for number in _numbers(times):
                strike = Strike(number, _CODE, events)
                with strike:
                    motor.step(3)
                result.runs += 1
                result.failures += [f"event {number}, {strike.where}: {line}" for line in _wrong(motor, reference, strike)]
                if not strike.done or result.failures:
                    break
            motor.step(1)
            subscription.close()
            reader.join()
            if got != list(range(0, motor.step_count + 1, 2)):
                result.failures.append(f"the reader got the frames {got[-20:]}")
        result.summary = f"{len(got):,} frames read, none lost or twice"
        return result

    return inject


def _numbers(times: int) -> Iterator[int]:
    """Numbers of events: each, or where they are few, spread over the first of them."""
    return iter(range(1, times + 1)) if times > _FIRST else iter(range(1, _FIRST, _FIRST // times))


def _wrong(motor: Aetheria_Motor, reference: Reference, strike: Strike) -> list[str]:
    if strike.failure is not None:
        return [f"{strike.failure!r}"]
    if not free_for_others(motor.turn):
        return ["other threads wait for ever"]
    return [] if torch.equal(motor.cells, reference.at(motor.step_count)) else ["the cells are not those of the step"]


def run_and_interrupt(case: str, path: str, times: int, seed: int) -> None:
    """Steps with a recorder and readers in other threads, is interrupted by SIGINT at random moments; prints failures."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dice, reference, motor = random.Random(seed), Reference(case), CASES[case]()
    motor.warm_up()
    for number in range(times):
        recorder, ended = None, threading.Event()
        readers = [threading.Thread(target=_read, args=(motor, ended, kind)) for kind in range(2)]
        for reader in readers:
            reader.start()
        stopped = _step_until_interrupted(motor, path, dice)
        ended.set()
        for reader in readers:
            reader.join(20)
        if stopped or any(reader.is_alive() for reader in readers):
            print(f"{number}: {stopped or 'a reader waits for ever'}")
            os._exit(1)
        failure = _wrong_after(motor, reference, Path(path))
        if failure:
            print(f"{number}: {failure}")
            os._exit(1)
        if motor.step_count > 5000:
            motor.restart()
        del recorder
    print(f"{times} done")


def _step_until_interrupted(motor: Aetheria_Motor, path: str, dice: random.Random) -> str:
    """Records until Ctrl-C; returns what else was raised."""
    main, delay = threading.main_thread(), dice.uniform(0.0, _LONGEST_S)
    armed, fired = threading.Event(), threading.Event()

    def strike() -> None:
        armed.wait()
        time.sleep(delay)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)
        fired.set()

    threading.Thread(target=strike).start()
    try:
        with Recorder(motor, path, every=dice.choice((1, 3)), overwrite=True):
            armed.set()
            while True:
                motor.step(dice.choice((1, 2, 7)))
    except KeyboardInterrupt:
        return ""
    except BaseException as error:  # noqa: BLE001 - what Ctrl-C must not lead to
        return f"{error!r}"
    finally:
        fired.wait()


def _read(motor: Aetheria_Motor, ended: threading.Event, kind: int) -> None:
    while not ended.is_set():
        motor.state_dict() if kind else motor.look(motor.request())
        time.sleep(0.0005)


def _wrong_after(motor: Aetheria_Motor, reference: Reference, path: Path) -> str:
    """The fault of the state, or of the recording, after an interrupt."""
    if not free_for_others(motor.turn):
        return "other threads wait for ever"
    if not torch.equal(motor.cells, reference.at(motor.step_count)):
        return f"the cells are not those of step {motor.step_count}"
    with Recording(path) as recording:
        steps = recording.steps
        if recording.status != "interrupted" or recording.note or (len(steps) > 1 and len(set(np.diff(steps))) > 1):
            return f"the recording is {recording.status}, its steps {steps.tolist()[-20:]}"
        if "channel_0" in recording.fields:
            for frame in recording:
                if not np.array_equal(frame["channel_0"], reference.at(frame.step)[:, 0].numpy()):
                    return f"the frame of step {frame.step} differs from the run"
    return ""


def at_random(case: str) -> Callable[[int], FaultResult]:
    """SIGINT at random moments."""

    def inject(times: int) -> FaultResult:
        result = FaultResult(times)
        with tempfile.TemporaryDirectory() as folder:
            ended = fork_server().run(
                "benchmarks.faults.interrupts:run_and_interrupt",
                timeout_s=3600.0,
                case=case,
                path=f"{folder}/run.h5",
                times=times,
                seed=times,
            )
        if ended.code != 0 or f"{times} done" not in ended.output:
            result.failures.append(f"{ended.code}: {ended.output[-500:]}")
        return result

    return inject


_TOGETHER = "cells and step number stay together, no frame is lost or twice, no thread waits for ever"
FAULTS = [
    *(
        Fault(f"Ctrl-C at each {events} of three steps, {case}", _TOGETHER, at_events(case, events), few=5, many=10**6)
        for case in ("Life, eager", "Life, packed", "GrowingNCA, fused")
        for events in ("line", "opcode")
    ),
    *(
        Fault(
            f"Ctrl-C at random in code that records, with readers: {case}",
            _TOGETHER,
            at_random(case),
            few=0 if case == "Life, compiled" else 2,  # it compiles for many seconds
            many=40 if case == "Life, compiled" else 334,
        )
        for case in CASES
    ),
]
