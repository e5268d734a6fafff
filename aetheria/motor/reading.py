"""Reading a motor while it runs: cells, law, edits, fields and frames."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn

from aetheria.core.block import Block
from aetheria.core.errors import ConfigError, StateError
from aetheria.core.fair_lock import FairLock
from aetheria.core.printable import get_logger
from aetheria.laws.base import Law, module_of
from aetheria.laws.controls import Value
from aetheria.motor.cells import CellSpec, checked_block, copied
from aetheria.motor.edit_log import EditReader
from aetheria.motor.edits import Edit
from aetheria.motor.loop import StepLoop
from aetheria.motor.split_calls import led, on_leader
from aetheria.motor.split_tiles import SplitTiles
from aetheria.observe.feed import Delivery, Subscription
from aetheria.observe.frame import Frame
from aetheria.observe.request import Part, PixelType, Request, request_for
from aetheria.split.grid import SplitGrid
from aetheria.stepping import Plan

log = get_logger(__name__)


class MotorReader:
    """A motor as its readers know it. Any thread may read; it is served between two chunks of steps.

    Attributes:
        optimizer: the `GPUOptimizer` of this motor.
        shape: (B, C, *grid) of the cells.
        device, dtype: of the cells.
    """

    def __init__(self, loop: StepLoop, spec: CellSpec) -> None:
        self.optimizer = loop.optimizer
        self.shape, self.device, self.dtype = spec.shape, spec.device, spec.dtype
        self._loop = loop

    # -- processes -----------------------------------------------------------------------------------------------

    @property
    def split(self) -> SplitGrid | None:
        """The split of the grid over processes; None for one process."""
        return self._loop.stepper.split

    @property
    def tiles(self) -> SplitTiles | None:
        """Reads and writes the state of a split grid by tiles, in files; None for one process. For the holder of `turn`."""
        return self._loop.stepper.tiles

    @property
    def tile(self) -> Block:
        """The part of the grid that this process owns; the whole grid for one process."""
        if self.split is None:
            return Block((0,) * len(self.shape[2:]), self.shape[2:])
        return Block(self.split.tile.start, self.split.tile.size)

    @property
    def own_cells(self) -> Tensor:
        """A copy of the cells of this process's tile `(B, C, *size)`; no other process takes part."""
        with self._loop.lock:
            cells = self._loop.stepper.own_state[0]
            return copied(cells if self.split is None else self.split.tile.inner(cells))

    def own_field(self, name: str) -> Tensor:
        """A field over this process's tile `(B, *tile)`, "rgb" `(B, 3, *tile)`; every process asks for it at the same time."""
        with self._loop.lock, torch.inference_mode(), self.optimizer.numerics():
            return copied(self._loop.stepper.own_field(name))

    def follow(self) -> None:
        """On another rank than 0 of a split grid: does what rank 0 does with its motor, until it closes it.

        Raises:
            StateError: this process leads. ProcessLostError: another process failed or was killed.
        """
        if self.split is None or self.split.leads:
            raise StateError("follow: this process leads; expected another rank of a split grid")
        self.split.processes.follow("close")

    # -- cells ---------------------------------------------------------------------------------------------------

    @property
    def step_count(self) -> int:
        """Steps done since the initial cells."""
        return self._loop.stepper.step

    @property
    def changes(self) -> int:
        """How often the cells, the law's parameters or the step were changed otherwise than by stepping."""
        return self._loop.feed.changes

    @property
    def seed(self) -> int:
        """Seed of the initial cells and of the law's random numbers."""
        return self._loop.stepper.seed

    @property
    def edge_step(self) -> int | None:
        """Number of steps by which live cells were found at an edge that was empty before; None if they never were.

        Of laws of whole states. From that step on the size of the grid matters: on a larger one other cells follow.
        """
        return self._loop.edge_watch.step

    @property
    @led
    def cells(self) -> Tensor:
        """A copy of the cells `(B, C, *grid)`, on the motor's device."""
        with self._loop.lock:
            return copied(self._loop.stepper.state[0])

    @property
    @led
    def memory(self) -> tuple[Tensor, ...]:
        """Copies of the law's memory tensors; empty for a law without."""
        with self._loop.lock:
            return tuple(map(copied, self._loop.stepper.state[1:]))

    @property
    @led
    def psi(self) -> Tensor:
        """The amplitudes, complex `(B, *grid, d)`; a copy.

        Raises:
            StateError: the law's cells are real.
        """
        if self.traits.d_state is None:
            raise StateError(f"psi: the cells of {self.traits.name} are real; use cells")
        re, im = self.cells.chunk(2, 1)
        return torch.complex(re, im).movedim(1, -1)

    @led
    def cells_at(self, *block: Block | int) -> Tensor:
        """A copy of a block of cells `(B, C, *size)`, on the motor's device.

        Args:
            block: a `Block`, or its corner and its size as numbers: (top, left, height, width) in two dimensions.

        Raises:
            StateError: the block leaves the grid.
        """
        index = checked_block(block, self.shape[2:]).index
        with self._loop.lock:
            return copied(self._loop.stepper.state[0][index])

    @led
    def next_cells(self) -> Tensor:
        """The cells `(B, C, *grid)` that the next step will make, which is not taken; a copy, on the motor's device."""
        with self._loop.lock:
            return copied(self._loop.stepper.next_cells())

    @led
    def read(self, field: str, size: int | Sequence[int] | None = None, **part: Unpack[Part]) -> Tensor:
        """One field of the present cells, on the device: `(B, *size)` float32, "rgb" `(B, 3, *size)`, an observable `(B,)`.

        Args:
            size: side, or a number for each axis that is shown, to average down to; None for the grid's own.
            part: region, slice, universe and reduction; see `Request`.
        """
        request = self.request([field], size, **part)
        if len(request.fields) > 1:
            raise ConfigError(f'field "{field}": {len(request.fields)} fields; expected one, or use `cells`')
        with self._loop.lock, torch.inference_mode():
            return copied(self._loop.rendered(request)[request.fields[0].name])

    @led
    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells."""
        with self._loop.lock:
            self._loop.stepper.check_finite()

    @on_leader
    def state_dict(self) -> dict[str, Any]:
        """Copies of the whole state, which with the law's parameters decides the future.

        "cells" and "memory", "step" and "seed"; and "law", the buffers and attributes that stepping changes in the law's
        modules, where there are any.
        """
        stepper = self._loop.stepper
        with self._loop.lock:
            own = stepper.own.saved()
            state = {"cells": self.cells, "memory": self.memory, "step": stepper.step, "seed": stepper.seed}
            return {**state, "law": own} if own else state

    @property
    def turn(self) -> FairLock:
        """The lock of the state: inside `with motor.turn:` no step is taken. For reading cells and writing them back."""
        return self._loop.lock

    # -- law -----------------------------------------------------------------------------------------------------

    @property
    def law(self) -> nn.Module:
        """The module being stepped, as it was given; its parameters may be edited in place."""
        return module_of(self._loop.stepper.law)

    @property
    def traits(self) -> Law:
        """The law with its properties; for a module that is no `Law` the wrapper that states the defaults."""
        return self._loop.stepper.law

    def get_control(self, name: str) -> Value:
        """The present value of one of the law's controls, `traits.controls`. Raises ConfigError when there is none."""
        return self.traits.get_control(name)

    @property
    def plan(self) -> Plan:
        """How the law is advanced; before the first step, how it will be. Its `reason` says why, and what comes next."""
        return self._loop.stepper.plan

    @property
    def fixed_plan(self) -> str:
        """Name of the plan that takes all steps from here on; empty while that is open."""
        return self._loop.stepper.fixed_plan

    @property
    def planning(self) -> bool:
        """Whether a plan is being made."""
        return self._loop.stepper.planning

    # -- edits ---------------------------------------------------------------------------------------------------

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits since the start or the last restart: cells, controls, states; see `aetheria.motor.edits`.

        A change made past the motor, as by `motor.law.decay = 0.1`, is not among them.
        """
        with self._loop.lock:
            return self._loop.edits.edits

    @property
    def initial_controls(self) -> Mapping[str, Value]:
        """The law's controls as they were when the motor was made."""
        return self._loop.edits.start

    @on_leader
    def follow_edits(self, held: int | None = None) -> EditReader:
        """A reader of the edits so far, and of each edit from now on.

        Args:
            held: number of edits that the reader has from before, which lead to the present state; then those so far are
                not given again.
        """
        with self._loop.lock:
            return self._loop.edits.follow(held)

    # -- feed ----------------------------------------------------------------------------------------------------

    @on_leader
    def subscribe(
        self,
        *,
        every: int = 1,
        fields: Sequence[str] | None = None,
        size: int | Sequence[int] | None = None,
        delivery: Delivery = "latest",
        dtype: PixelType = "float32",
        levels: Mapping[str, tuple[float, float]] | None = None,
        capacity: int = 8,
        **part: Unpack[Part],
    ) -> Subscription:
        """Asks for frames at every multiple of `every` steps, the present step included.

        Args:
            fields: names of fields, "cells" for every channel apart; None for the law's default field.
            size: side, or a number for each axis that is shown, to average down to on the device.
            delivery: "latest" (one waits, late ones are never made), "recent" (the newest `capacity` wait) or "lossless" (all;
                the motor waits for the reader).
            dtype: "float32", "float16" or "uint8"; uint8 maps `levels[field]`, or the field's range, to 0..255.
            capacity: frames that a recent or lossless subscription may hold.
            part: region, slice, universe and reduction; see `Request`.

        Raises:
            ConfigError: an unknown field, or an argument outside its range.
        """
        request = self.request(fields, size, dtype, levels, **part)
        return self._loop.feed.add(Subscription(every, request, delivery, capacity))

    def request(
        self,
        fields: Sequence[str] | None = None,
        size: int | Sequence[int] | None = None,
        dtype: PixelType = "float32",
        levels: Mapping[str, tuple[float, float]] | None = None,
        **part: Unpack[Part],
    ) -> Request:
        """A checked request for `watch` and `look`; arguments as for `subscribe`.

        Raises:
            ConfigError: an unknown field, or an argument outside its range.
        """
        return request_for(self.traits, self.shape, fields or None, size, dtype, levels, **part)

    @on_leader
    def watch(self, request: Request, rate: float = 60.0) -> Subscription:
        """The newest frames for a live window: at most `rate` a second, at whatever steps the motor comes by.

        None is made while one waits. `Subscription.request` may be replaced at any time; `refresh` shows it at once.
        """
        return self._loop.feed.add(Subscription(1, request, "latest", 1, rate))

    @on_leader
    def look(self, request: Request) -> Frame:
        """One frame of the present cells; for any thread."""
        return self._loop.frame(request)

    def refresh(self) -> None:
        """Makes a frame of the present cells for every "latest" reader that has none waiting; for any thread.

        A motor that stands still makes no frames by itself, and a reader may have replaced its request.
        """
        self._loop.refresh()

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Steps in the block make no frame; one that is due where it ends is made at the next call of `step`."""
        feed = self._loop.feed
        enabled, feed.enabled = feed.enabled, False
        try:
            yield
        finally:
            feed.enabled = enabled

    @property
    def live_feed_enabled(self) -> bool:
        """False: no frames are computed or transferred for any subscription."""
        return self._loop.feed.enabled

    @live_feed_enabled.setter
    def live_feed_enabled(self, enabled: bool) -> None:
        feed = self._loop.feed
        if not enabled and feed.lossless():
            log.warning("the feed is off: %d recorder(s) miss the frames until it is on again", feed.lossless())
        feed.enabled = enabled

    def close(self) -> None:
        """Closes every subscription; on a split grid rank 0 tells the others, which follow until then."""
        self._loop.feed.close()
        if self.split is not None:
            self.split.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.split is not None and error is not None:
            self.split.processes.fail(error)
        self.close()
