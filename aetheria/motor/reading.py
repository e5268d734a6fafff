"""What may be read of a motor while it runs: cells, law, edits, fields and frames."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn

from aetheria.core.errors import StateError
from aetheria.core.fair_lock import FairLock
from aetheria.laws.base import Law, module_of
from aetheria.laws.controls import Value
from aetheria.motor.cells import CellSpec, block_at, copied
from aetheria.motor.edit_log import EditLog, EditReader
from aetheria.motor.edits import Edit
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.stepper import Stepper
from aetheria.observe.feed import Delivery, Feed, Frame, Subscription
from aetheria.observe.fields import View
from aetheria.observe.render import render
from aetheria.observe.request import Part, PixelType, Request, request_for, spelled_out, view_of
from aetheria.stepping import Plan

log = logging.getLogger(__name__)


class MotorReader:
    """A motor as its readers know it. Any thread may read; it is served between two chunks of steps.

    Attributes:
        optimizer: the `GPUOptimizer` of this motor.
        shape: (B, C, H, W) of the cells.
        device, dtype: where the cells are, and of which type.
        seed: of initial cells and of the law's random numbers.
    """

    def __init__(self, form: CellSpec, stepper: Stepper, optimizer: GPUOptimizer, *, seed: int, log_edits: bool) -> None:
        """
        Args:
            form: of the cells.
            stepper: holds the state.
            optimizer: through which all that is read leaves the device.
            seed: that the run begins with.
            log_edits: keep edits.
        """
        self.optimizer = optimizer
        self.shape, self.device, self.dtype = form.shape, form.device, form.dtype
        self.seed = seed
        self._stepper = stepper
        self._turns = FairLock()
        self._feed = Feed()
        self._log = EditLog(stepper.law, seed, self.state_dict, optimizer.move_to_cpu_batch, enabled=log_edits)

    # -- cells ---------------------------------------------------------------------------------------------------

    @property
    def step_count(self) -> int:
        """Steps done since the initial cells."""
        return self._stepper.step

    @property
    def cells(self) -> Tensor:
        """A copy of the cells `(B, C, H, W)`, on the motor's device."""
        with self._turns:
            return copied(self._stepper.state[0])

    @property
    def memory(self) -> tuple[Tensor, ...]:
        """Copies of the law's memory tensors; empty for a law without."""
        with self._turns:
            return tuple(map(copied, self._stepper.state[1:]))

    @property
    def psi(self) -> Tensor:
        """The amplitudes, complex `(B, H, W, d)`; a copy.

        Raises:
            StateError: the law's cells are real.
        """
        if self.traits.d_state is None:
            raise StateError(f"psi: the cells of {self.traits.name} are real; use cells")
        re, im = self.cells.chunk(2, 1)
        return torch.complex(re, im).permute(0, 2, 3, 1)

    def cells_at(self, top: int, left: int, height: int, width: int) -> Tensor:
        """A copy of a block of cells `(B, C, height, width)`, on the motor's device.

        Raises:
            StateError: the block leaves the grid.
        """
        block = block_at((top, left), (height, width), self.shape[2:])
        with self._turns:
            return copied(self._stepper.state[0][block])

    def read(self, field: str, size: int | tuple[int, int] | None = None) -> Tensor:
        """One field of the present cells, float32 on the device: `(B, h, w)`, "rgb" `(B, 3, h, w)`, an observable `(B,)`.

        Args:
            size: side or (height, width) to average down to; None for the grid's own.
        """
        request = self.request([field], size)
        with self._turns, torch.inference_mode():
            return copied(self._rendered(self._view(), request)[field])

    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells."""
        with self._turns:
            self._stepper.check_finite()

    def state_dict(self) -> dict[str, Any]:
        """Copies of cells and memory, the step and the seed: all that a run's future depends on besides the law."""
        with self._turns:
            return {"cells": self.cells, "memory": self.memory, "step": self._stepper.step, "seed": self.seed}

    @property
    def turn(self) -> FairLock:
        """`with motor.turn:` the cells stand still, for a thread that reads some and writes them back; keep it short."""
        return self._turns

    # -- law -----------------------------------------------------------------------------------------------------

    @property
    def law(self) -> nn.Module:
        """The module being stepped, as it was given; its parameters may be edited in place."""
        return module_of(self._stepper.law)

    @property
    def traits(self) -> Law:
        """The law with its properties; for a module that is no `Law` the wrapper that states the defaults."""
        return self._stepper.law

    def get_control(self, name: str) -> Value:
        """The present value of one of the law's controls, `traits.controls`. Raises ConfigError when there is none."""
        return self.traits.get_control(name)

    @property
    def plan(self) -> Plan | None:
        """How the law is advanced; None before the first step."""
        return self._stepper.plan

    @property
    def planning(self) -> bool:
        """Whether a plan is being made in the background."""
        return self._stepper.planning

    # -- edits ---------------------------------------------------------------------------------------------------

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What was changed by hand since the start or the last restart: cells, controls, states; see `aetheria.motor.edits`.

        What is changed past the motor, as by `motor.law.decay = 0.1`, is not known to it.
        """
        with self._turns:
            return self._log.edits

    @property
    def initial_controls(self) -> Mapping[str, Value]:
        """The law's controls as they were when the motor was made."""
        return self._log.start

    def follow_edits(self, held: int | None = None) -> EditReader:
        """The edits so far, and each that is made from now on; for whoever records them.

        Args:
            held: how many the reader has from before, which lead to the present state; then none so far is given again.
        """
        with self._turns:
            return self._log.follow(held)

    # -- feed ----------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        *,
        every: int = 1,
        fields: Sequence[str] | None = None,
        size: int | tuple[int, int] | None = None,
        delivery: Delivery = "latest",
        dtype: PixelType = "float32",
        levels: Mapping[str, tuple[float, float]] | None = None,
        capacity: int = 8,
    ) -> Subscription:
        """Asks for frames at every multiple of `every` steps, the present step included.

        Args:
            fields: names of fields, "cells" for every channel apart; None for the law's default field.
            size: side or (height, width) to average down to on the device.
            delivery: "latest" (one waits, late ones are never made) or "lossless" (all; the motor waits for the reader).
            dtype: "float32", "float16" or "uint8"; uint8 maps `levels[field]`, or the field's range, to 0..255.
            capacity: frames that a lossless subscription may hold.

        Raises:
            ConfigError: an unknown field, or an argument outside its range.
        """
        if fields and not isinstance(fields, str):
            fields = spelled_out(fields, self.traits.channels)
        request = self.request(fields, size, dtype, levels)
        return self._feed.add(Subscription(every, request, delivery, capacity))

    def request(
        self,
        fields: Sequence[str] | None = None,
        size: int | tuple[int, int] | None = None,
        dtype: PixelType = "float32",
        levels: Mapping[str, tuple[float, float]] | None = None,
        **part: Unpack[Part],
    ) -> Request:
        """A checked request for `watch`: fields, size, type and levels as for `subscribe`.

        Args:
            part: region, universe, reduction and finite: which part is shown and how; see `Request`.

        Raises:
            ConfigError: an unknown field, or an argument outside its range.
        """
        wanted = fields or [self.traits.default_field]
        return request_for(self.traits, wanted, size, dtype, levels, shape=self.shape, **part)

    def watch(self, request: Request, rate: float = 60.0) -> Subscription:
        """The newest frames for a live window: at most `rate` a second, at whatever steps the motor comes by.

        None is made while one waits. `Subscription.request` may be replaced at any time; `refresh` shows it at once.
        """
        return self._feed.add(Subscription(1, request, "latest", 1, rate))

    def look(self, request: Request) -> Frame:
        """One frame of the present cells; for any thread."""
        with self._turns:
            return self._frame(self._view(), request)

    def refresh(self) -> None:
        """Makes a frame of the present cells for every "latest" reader that has none waiting; for any thread.

        A motor that stands still makes no frames by itself, and a reader may have changed what it wants to see.
        """
        with self._turns:
            self._feed.show_again()
            due = self._feed.due(self._stepper.step, "latest")
            for subscription, frame in zip(due, self._frames(due), strict=True):
                subscription.put(frame)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Steps in the block make no frame; one that is due where it ends is made at the next call of `step`."""
        enabled, self._feed.enabled = self._feed.enabled, False
        try:
            yield
        finally:
            self._feed.enabled = enabled

    @property
    def live_feed_enabled(self) -> bool:
        """False: nobody gets frames, nothing is computed for them and nothing leaves the device."""
        return self._feed.enabled

    @live_feed_enabled.setter
    def live_feed_enabled(self, enabled: bool) -> None:
        if not enabled and self._feed.lossless():
            log.warning("the feed is off: %d recorder(s) miss the frames until it is on again", self._feed.lossless())
        self._feed.enabled = enabled

    def close(self) -> None:
        """Closes every subscription."""
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _publish(self) -> None:
        if self._feed.idle:
            return
        with self._turns:
            due = self._feed.due(self._stepper.step)
            if any(s.delivery == "lossless" for s in due):
                self.check_finite()
            frames = self._frames(due) if due else []
        # Outside the turn: a reader that is waited for may itself be reading cells.
        self._feed.deliver(list(zip(due, frames, strict=True)))

    def _frames(self, due: list[Subscription]) -> list[Frame]:
        view = self._view()
        return [self._frame(view, s.request) for s in due]

    def _frame(self, view: View, request: Request) -> Frame:
        return Frame(
            self._stepper.step, time.time(), self.optimizer.transfer(self._rendered(view, request)), request, self._log.count
        )

    def _rendered(self, view: View, request: Request) -> dict[str, Tensor]:
        with self.optimizer.numerics():
            return render(view, request)

    def _view(self) -> View:
        return view_of(self.traits, self._stepper.state)
