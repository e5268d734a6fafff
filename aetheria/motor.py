"""The motor: holds the cells on a device and steps a law."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field as Setting
from torch import Tensor, nn

from aetheria.cells import checked_cells, copied, finite
from aetheria.device import check_memory, find_device, size_of
from aetheria.edits import Edit, EditLog, Follower
from aetheria.errors import ConfigError, DivergedError, StateError
from aetheria.feed import Delivery, Feed, Frame, Subscription
from aetheria.fields import View
from aetheria.initial import Initial, make_initial
from aetheria.laws.base import Law, check_grid, traits_of
from aetheria.laws.controls import Value, controlled
from aetheria.laws.weights import fitting_weights
from aetheria.observe import request_for, view_of
from aetheria.optimizer import GPUOptimizer, Part, PixelType, Precision, Request
from aetheria.settings import Settings
from aetheria.stepper import Stepper
from aetheria.stepping import Plan, PlanName, State
from aetheria.stepping.pace import Pace, next_multiple
from aetheria.turns import Turns

log = logging.getLogger(__name__)


class MotorConfig(Settings):
    """How a motor steps.

    Attributes:
        plan: "auto", or one by name: "eager", "compiled", "graphed" (CUDA), "banded", "fused", "packed" (Life).
        planned_steps: how many steps the run will take, if known; a short run is not worth compiling.
        plan_in_background: step eagerly while the plan is made (CPU). The step at which it takes over depends on timing, and
            with it the last digits of all that follows.
        precision: "fp32"; "tf32" (CUDA matrix products and convolutions); "bf16" (the network in bfloat16, the state in
            float32); "fp64" (everything, for reference).
        deterministic: cuDNN's deterministic algorithms instead of its fastest.
        empty_cache_interval: steps between cache clean-ups, 0 for never.
        check_interval: steps between checks for NaN and Inf, 0 for never. Each recorded frame is checked too.
        log_edits: keep what is changed by hand in `edits`, from which the run can be repeated. False spares the copies, and a
            recording then says nothing of edits.
    """

    plan: PlanName = "auto"
    planned_steps: int | None = Setting(default=None, ge=0)
    plan_in_background: bool = False
    precision: Precision = "fp32"
    deterministic: bool = False
    empty_cache_interval: int = Setting(default=100, ge=0)
    check_interval: int = Setting(default=100, ge=0)
    log_edits: bool = True


class Aetheria_Motor:  # noqa: N801 - the name its users know
    """Steps a law over a grid of cells, in eval mode and inference mode, compiled where that pays.

    One thread steps; any thread may read cells, subscribe or edit: it is served between two chunks of steps.

    Attributes:
        traits: what the law says of itself.
        optimizer: the `GPUOptimizer` of this motor.
        seed: of initial cells and of the law's random numbers.
    """

    def __init__(
        self,
        model: nn.Module,
        grid_size: int | tuple[int, int],
        d_state: int,
        device: str | torch.device | None = None,
        cfg: MotorConfig | Mapping[str, Any] | None = None,
        *,
        initial: Initial | Tensor | NDArray[np.generic] | str | None = None,
        batch: int = 1,
        seed: int = 0,
    ) -> None:
        """
        Args:
            model: a law, or any module `(B, C, H, W) -> (B, C, H, W)`. Moved to the device, converted to the precision and
                set to eval mode, in place: motors of different device or precision need a module each.
            grid_size: side of a square grid, or (height, width), in cells.
            d_state: complex amplitudes d per cell (C = 2d), or real channels C for a law of real cells.
            device: "cpu", "cuda", "cuda:1" ...; None for CUDA if there is one, else the CPU.
            cfg: settings; see `MotorConfig`.
            initial: cells `(C, H, W)` or `(B, C, H, W)`, a kind ("noise", "seed", "random_phase", ...) or an `Initial`;
                None for what suits the law.
            batch: number B of independent universes.
            seed: of random cells and of stochastic laws; universe u draws from (seed, u).

        Raises:
            ConfigError: a bad size, device or setting. LawError: a law that does not fit the grid or d_state.
            StateError: cells that do not fit, or a state too large for memory.
        """
        self.config = cfg if isinstance(cfg, MotorConfig) else MotorConfig.checked({} if cfg is None else cfg, "motor")
        height, width = size_of(grid_size)
        self.traits = traits_of(model, d_state)
        check_grid(model, height, width)
        if not isinstance(batch, int) or batch < 1:
            raise ConfigError(f"batch: {batch!r} given; expected 1 or more universes")
        if not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ConfigError(f"seed: {seed!r} given; expected a whole number from 0 to 2^63 - 1")
        self.device = find_device(device)
        self.shape = (batch, self.traits.channels, height, width)
        self.seed = seed
        self.optimizer = GPUOptimizer(
            self.device,
            precision=self.config.precision,
            deterministic=self.config.deterministic,
            empty_cache_interval=self.config.empty_cache_interval,
            step_count=lambda: self._step,
        )
        self.dtype = torch.float64 if self.config.precision == "fp64" else torch.float32
        check_memory(self.shape, self.dtype.itemsize, self.optimizer.available_bytes())
        # torch's stubs do not know that `to` takes a memory format; it would also turn complex weights real, `float` does not.
        model = model.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        model = model.double() if self.dtype == torch.float64 else model.float()
        self._stepper = Stepper(
            model,
            self.traits.name,
            self.optimizer,
            wanted=self.config.plan,
            planned_steps=self.config.planned_steps,
            background=self.config.plan_in_background,
        )
        self._stepping = threading.Lock()
        self._turns = Turns()
        self._feed = Feed()
        self._step = 0
        self._pace = Pace()
        self._queued: torch.cuda.Event | None = None
        self._initial = self._first_initial = initial
        self._log = EditLog(model, seed, self.state_dict, self.optimizer.move_to_cpu_batch, enabled=self.config.log_edits)
        self._stepper.state = self._fresh_state(seed, initial)
        if isinstance(model, Law):
            model.fit(self._stepper.state[0])

    # -- stepping ------------------------------------------------------------------------------------------------

    def step(self, n: int = 1) -> None:
        """Takes `n` steps, frame by due frame. The result does not depend on how steps are split into calls.

        Raises:
            DivergedError: the cells hold NaN or Inf (found at the next check).
            StateError: `n` is negative, or a lossless subscription is full and nobody reads it.
        """
        if not isinstance(n, int) or n < 0:
            raise StateError(f"step({n!r}): a law cannot be stepped backwards or in part; expected a whole number")
        if not self._stepping.acquire(blocking=False):
            raise StateError("step(): another thread is stepping this motor; only one may")
        try:
            self._publish()
            left = n
            while left > 0:
                with self._turns:
                    before = self._step
                    self._advance(self._next_stop(before + left) - before)
                    left -= self._step - before
                    self._housekeeping(before)
                self._publish()
        finally:
            self._stepping.release()

    def warm_up(self) -> Plan:
        """Picks a plan, and compiles if that is the plan, now instead of at the first step.

        Raises:
            LawError: the law cannot step these cells.
        """
        with self._turns:
            return self._stepper.current()

    def _advance(self, steps: int) -> None:
        self._stepper.current()  # not to be timed: it may compile
        began = time.perf_counter()
        self._stepper.advance(steps)
        self._step += steps
        self._wait_for_device()
        self._pace.took(time.perf_counter() - began, self._feed.rate())
        # Chunks end at multiples of the interval, as `_next_stop` says, unless there is nothing to check.
        if self.config.check_interval and self._step % self.config.check_interval == 0:
            self.check_finite()

    def _wait_for_device(self) -> None:
        """On CUDA, waits for the chunk before this one, so that no more than two are queued and time is the device's."""
        if self.device.type == "cuda":
            before, self._queued = self._queued, torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._queued.record(torch.cuda.current_stream(self.device))
            if before is not None:
                before.synchronize()

    def _next_stop(self, end: int) -> int:
        """The step up to which nobody needs to be asked anything."""
        stops = [end, self._step + self._pace.steps]
        stops += [next_multiple(self._step, interval) for interval in self._intervals() if interval]
        due = self._feed.next_due(self._step)
        return min(stops if due is None else [*stops, due])

    def _intervals(self) -> Iterator[int]:
        if self._stepper.watched().is_floating_point():
            yield self.config.check_interval
        if self.device.type == "cuda":
            yield self.optimizer.empty_cache_interval

    def _housekeeping(self, before: int) -> None:
        if interval := self.optimizer.empty_cache_interval:
            for _ in range(self._step // interval - before // interval):
                self.optimizer.clean_up()

    @property
    def law(self) -> nn.Module:
        """The module being stepped; its parameters may be edited in place."""
        return self._stepper.law

    def get_control(self, name: str) -> Value:
        """The present value of one of the law's controls, `traits.controls`. Raises ConfigError when there is none."""
        return controlled(self.law).get_control(name)

    def set_control(self, name: str, value: Value) -> None:
        """Changes a parameter of the law between two steps; nothing is compiled again for a number.

        Raises:
            ConfigError: no such control, or a value that the law's constructor would refuse; nothing changes.
        """
        with self._turns:
            controlled(self.law).set_control(name, value)
            self._log.control(self._step, name)
            self._feed.show_again()

    @property
    def plan(self) -> Plan | None:
        """How the law is advanced; None before the first step."""
        return self._stepper.plan

    @property
    def planning(self) -> bool:
        """Whether a plan is being made in the background."""
        return self._stepper.planning

    def check_finite(self) -> None:
        """Raises DivergedError when a cell is NaN or Inf. One pass over the cells."""
        with self._turns, torch.inference_mode():
            if not finite(self._stepper.watched()):
                raise DivergedError(
                    f"{self.traits.name}: cells hold NaN or Inf at step {self._step}; frames shown before are good"
                )

    # -- cells ---------------------------------------------------------------------------------------------------

    @property
    def step_count(self) -> int:
        """Steps done since the initial cells."""
        return self._step

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
        block = self._block((top, left), (height, width))
        with self._turns:
            return copied(self._stepper.state[0][block])

    def set_cells(
        self, cells: Tensor | NDArray[np.generic], at: tuple[int, int] | None = None, universe: int | None = None
    ) -> None:
        """Replaces the cells, or a block of them; memory and step stay.

        Args:
            cells: `(C, h, w)`, every universe alike, or `(B, C, h, w)`.
            at: (top, left) of the block; None for the whole grid.
            universe: the only one that changes; then `cells` is `(C, h, w)`. None for all.

        Raises:
            StateError: another shape, a block that leaves the grid, or values that are not finite.
        """
        batch, channels, height, width = self.shape
        if universe is not None and not 0 <= universe < batch:
            raise StateError(f"cells: universe {universe}; expected 0 to {batch - 1}")
        size = (height, width) if at is None else (int(cells.shape[-2]), int(cells.shape[-1])) if cells.ndim >= 2 else (0, 0)
        block = self._block(at or (0, 0), size)
        shape = (batch if universe is None else 1, channels, *size)
        checked = checked_cells(cells, shape, self.device, self.dtype)
        with self._turns, torch.inference_mode():
            if at is None and universe is None:
                self._stepper.state = (checked, *self._stepper.state[1:])
            else:
                mine = self._stepper.state[0].clone()
                mine[slice(universe, None if universe is None else universe + 1)][block] = checked
                self._stepper.state = (mine, *self._stepper.state[1:])
            self._log.cells(self._step, at, universe, checked if cells.ndim == 4 and universe is None else checked[0])
            self._feed.show_again()

    @property
    def turn(self) -> Turns:
        """`with motor.turn:` the cells stand still, for a thread that reads some and writes them back; keep it short."""
        return self._turns

    def _block(self, at: tuple[int, int], size: tuple[int, int]) -> tuple[Any, ...]:
        """An index of a block in `(..., H, W)`."""
        grid = self.shape[2:]
        if any(start < 0 or n < 1 or start + n > end for start, n, end in zip(at, size, grid, strict=True)):
            raise StateError(f"cells: block of {size[0]} x {size[1]} at {at}; the grid is {grid[0]} x {grid[1]}")
        return (..., slice(at[0], at[0] + size[0]), slice(at[1], at[1] + size[1]))

    def restart(self, seed: int | None = None, initial: Initial | Tensor | NDArray[np.generic] | str | None = None) -> None:
        """Back to step 0 and fresh initial cells and memory; parameters of the law stay as they are.

        Args:
            seed: a new one; None for the present one.
            initial: other initial cells, now and at later restarts; None for the present ones.

        Raises:
            StateError: a recorder is running, whose steps only go forward, or cells that do not fit.
            ConfigError, FileUnreadableError: as for a new motor's initial cells.
        """
        if self._feed.lossless():
            raise StateError("restart: a recorder is running, and its steps only go forward; finish it first")
        seed = self.seed if seed is None else seed
        initial = self._initial if initial is None else initial
        fresh = self._fresh_state(seed, initial)
        with self._turns:
            self._initial = initial
            self._stepper.state, self._step, self.seed = fresh, 0, seed
            self._log.restart(seed)
            if initial is not self._first_initial:
                self._log.state(0)
            self._feed.show_again()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What was changed by hand since the start or the last restart: cells, controls, states; see `aetheria.edits`.

        What is changed past the motor, as by `motor.law.decay = 0.1`, is not known to it.
        """
        with self._turns:
            return self._log.edits

    @property
    def initial_controls(self) -> Mapping[str, Value]:
        """The law's controls as they were when the motor was made."""
        return self._log.start

    def follow_edits(self) -> Follower:
        """The edits so far, and each that is made from now on; for whoever records them."""
        with self._turns:
            return self._log.follow()

    def load_weights(self, path: str | Path) -> None:
        """Other weights for the law, from the next step on; cells and step stay. For any thread.

        Who repeats the run begins with these weights, at the present state.

        Raises:
            FileUnreadableError, LawError: they cannot be read or do not fit; the law is as before.
            StateError: a recorder is running, whose file holds the weights it began with.
        """
        if self._feed.lossless():
            raise StateError(
                "load_weights: a recorder is running, and its file holds the weights it began with; finish it first"
            )
        tensors = fitting_weights(self.law, path)
        with self._turns:
            self.law.load_state_dict(tensors)
            self._log.shorten()

    def read(self, field: str, size: int | tuple[int, int] | None = None) -> Tensor:
        """One field of the present cells, float32 on the device: `(B, h, w)`, "rgb" `(B, 3, h, w)`, an observable `(B,)`.

        Args:
            size: side or (height, width) to average down to; None for the grid's own.
        """
        request = self.request([field], size)
        with self._turns, torch.inference_mode():
            return copied(self.optimizer.render(self._view(), request)[field])

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
            fields: names of fields; None for the law's default field.
            size: side or (height, width) to average down to on the device.
            delivery: "latest" (one waits, late ones are never made) or "lossless" (all; the motor waits for the reader).
            dtype: "float32", "float16" or "uint8"; uint8 maps `levels[field]`, or the field's range, to 0..255.
            capacity: frames that a lossless subscription may hold.

        Raises:
            ConfigError: an unknown field, or an argument outside its range.
        """
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
            due = self._feed.due(self._step, "latest")
            for subscription, frame in zip(due, self._frames(due), strict=True):
                subscription.put(frame)

    @property
    def live_feed_enabled(self) -> bool:
        """False: nobody gets frames, nothing is computed for them and nothing leaves the device."""
        return self._feed.enabled

    @live_feed_enabled.setter
    def live_feed_enabled(self, enabled: bool) -> None:
        if not enabled and self._feed.lossless():
            log.warning("the feed is off: %d recorder(s) miss the frames until it is on again", self._feed.lossless())
        self._feed.enabled = enabled

    def _publish(self) -> None:
        with self._turns:
            due = self._feed.due(self._step)
            if any(s.delivery == "lossless" for s in due):
                self.check_finite()
            frames = self._frames(due) if due else []
        # Outside the turn: a reader that is waited for may itself be reading cells.
        self._feed.deliver(list(zip(due, frames, strict=True)))

    def _frames(self, due: list[Subscription]) -> list[Frame]:
        view = self._view()
        return [self._frame(view, s.request) for s in due]

    def _frame(self, view: View, request: Request) -> Frame:
        return Frame(self._step, time.time(), self.optimizer.fetch(view, request), request, self._log.count)

    def _view(self) -> View:
        return view_of(self.law, self.traits, self._stepper.state)

    # -- saving and restoring ------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of cells and memory, the step and the seed: all that a run's future depends on besides the law."""
        with self._turns:
            return {"cells": self.cells, "memory": self.memory, "step": self._step, "seed": self.seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict`.

        Raises:
            StateError: keys missing, or tensors of other shapes.
        """
        missing = {"cells", "memory", "step", "seed"} - state.keys()
        if missing:
            raise StateError(f"load_state_dict: {', '.join(sorted(missing))} missing")
        cells = checked_cells(state["cells"], self.shape, self.device, self.dtype)
        with self._turns:
            own, given = self._stepper.state[1:], tuple(state["memory"])
        if [t.shape for t in own] != [t.shape for t in given]:
            raise StateError(
                f"load_state_dict: memory {[tuple(t.shape) for t in given]}; expected {[tuple(t.shape) for t in own]}"
            )
        if int(state["step"]) < 0:
            raise StateError(f"load_state_dict: step {state['step']}; expected 0 or more")
        if self._feed.lossless() and int(state["step"]) < self._step:
            raise StateError("load_state_dict: a recorder is running, and its steps only go forward; finish it first")
        with self._turns, torch.inference_mode():
            self._feed.show_again()
            self._stepper.state = (cells, *(t.to(mine).clone() for t, mine in zip(given, own, strict=True)))
            before, self._step, self.seed = self._step, int(state["step"]), int(state["seed"])
            self._log.state(before)

    def close(self) -> None:
        """Closes every subscription."""
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _fresh_state(self, seed: int, given: Initial | Tensor | NDArray[np.generic] | str | None) -> State:
        """Initial cells and memory for a seed."""
        cells = given if isinstance(given, Tensor | np.ndarray) else make_initial(given, self.law, self.shape, seed)
        ready = checked_cells(cells, self.shape, self.device, self.dtype)
        initial_memory = self.traits.initial_memory
        if initial_memory is None:
            return (ready,)
        with torch.inference_mode():
            return (ready, *(initial_memory(ready, seed) if self.traits.stochastic else initial_memory(ready)))
