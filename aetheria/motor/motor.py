"""The motor: holds the cells on a device and steps a law."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from aetheria.core.device import find_device, grid_of
from aetheria.core.errors import ConfigError, LawError, StateError
from aetheria.core.memory_limits import EAGER_STATES, KERNEL_STATES, bytes_of, check_states
from aetheria.core.sums import ExactSums, PlainSums
from aetheria.laws.base import as_law, check_grid
from aetheria.laws.controls import Value
from aetheria.laws.exact_sums import SquareSum
from aetheria.laws.weights import fitting_weights
from aetheria.motor.cells import CellSpec, checked_update
from aetheria.motor.edit_log import EditLog
from aetheria.motor.initial import first_step
from aetheria.motor.loop import StepLoop, check_interval
from aetheria.motor.motor_config import MotorConfig as MotorConfig
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.overview import as_html, one_line
from aetheria.motor.showing import ShownMotor
from aetheria.motor.split_calls import led
from aetheria.motor.split_stepper import SplitStepper
from aetheria.motor.state import InitialCells, check_room_for, checked_state, fresh_state
from aetheria.motor.stepper import Stepper
from aetheria.motor.values import law_values
from aetheria.split.grid import SplitGrid
from aetheria.stepping import Plan


class Aetheria_Motor(ShownMotor):  # noqa: N801 - the name its users know
    """Steps a law over a grid of cells, in eval mode and inference mode, compiled where that pays.

    One thread steps; any thread may read cells, subscribe or edit: it is served between two chunks of steps.

    Stepping and changing are here; reading is in `MotorReader`, showing in `ShownMotor`.

    Attributes:
        config: its settings.
    """

    def __init__(
        self,
        model: nn.Module,
        grid_size: int | Sequence[int],
        d_state: int | None = None,
        device: str | torch.device | None = None,
        cfg: MotorConfig | Mapping[str, Any] | None = None,
        *,
        initial: InitialCells = None,
        batch: int = 1,
        seed: int = 0,
        mesh: DeviceMesh | None = None,
    ) -> None:
        """
        Args:
            model: a law, or any module `(B, C, *grid) -> (B, C, *grid)`. Moved to the device, converted to the precision and
                set to eval mode, in place: motors of different device or precision need a module each.
            grid_size: (width,), (height, width) or (depth, height, width) in cells; one number for a square's side.
            d_state: complex amplitudes d per cell (C = 2d), or real channels C for a law of real cells; may be left out where
                the law states it.
            device: "cpu", "cuda", "cuda:1" ...; None for CUDA if there is one, else the CPU.
            cfg: settings; see `MotorConfig`.
            initial: cells `(C, *grid)` or `(B, C, *grid)`, a kind ("noise", "seed", "random_phase", ...), a table as in a
                config ({"kind": "rle", "path": ...}) or an `Initial`; None for what suits the law.
            batch: number B of independent universes.
            seed: of random cells and of stochastic laws; universe u draws from (seed, u).
            mesh: processes over which the grid is split, along its first axes; each makes this motor with the same arguments,
                and a law of its own. See `docs/split.md`.

        Raises:
            ConfigError: a bad size, device, mesh or setting. LawError: a law that does not fit the grid or d_state, or cannot
                be split.
            StateError: cells that do not fit, or a state too large for memory.
        """
        self.config = cfg if isinstance(cfg, MotorConfig) else MotorConfig.checked({} if cfg is None else cfg, "motor")
        grid = grid_of(grid_size)
        law = as_law(model, d_state)
        check_grid(law, grid)
        if not isinstance(batch, int) or batch < 1:
            raise ConfigError(f"batch: {batch!r} given; expected 1 or more universes")
        if not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ConfigError(f"seed: {seed!r} given; expected a whole number from 0 to 2^63 - 1")
        dtype = torch.float64 if self.config.precision == "fp64" else torch.float32
        self._spec = spec = CellSpec((batch, law.channels, *grid), find_device(_device_of(mesh, device)), dtype)
        law.square_sum = SquareSum() if self.config.exact_sums and law.sums_grid else None
        split = None if mesh is None else SplitGrid.of(mesh, law, grid, self.config.halo_steps, spec.device)
        own = spec if split is None else replace(spec, shape=(*spec.shape[:2], *split.tile.window))
        optimizer = GPUOptimizer(
            spec.device,
            precision=self.config.precision,
            deterministic=self.config.deterministic,
            empty_cache_interval=self.config.empty_cache_interval,
        )
        least = EAGER_STATES if self.config.plan == "eager" else KERNEL_STATES
        check_states(own.shape, bytes_of(own.shape, dtype.itemsize), least, optimizer.available_bytes())
        layout = torch.channels_last if len(grid) == 2 else torch.preserve_format
        # torch's stubs do not know that `to` takes a memory format; it would also turn complex weights real, `float` does not.
        law.to(spec.device, memory_format=layout).eval()  # type: ignore[call-overload]
        law.double() if dtype == torch.float64 else law.float()
        plan, steps = self.config.plan, self.config.planned_steps
        sums = ExactSums() if self.config.exact_sums else PlainSums()
        background = self.config.plan_in_background
        stepper = (
            Stepper(law, optimizer, seed, wanted=plan, planned_steps=steps, background=background, sums=sums)
            if split is None
            else SplitStepper(law, optimizer, seed, split, wanted=plan, planned_steps=steps)
        )
        self._initial = self._first_initial = initial
        stepper.begin(fresh_state(law, initial, spec, seed, split), first_step(initial))
        check_room_for(law, stepper.own_state, self.config.plan, self.config.precision, optimizer.available_bytes())
        law.prepare(stepper.own_state[0])
        edits = EditLog(stepper, optimizer.move_to_cpu_batch, enabled=self.config.log_edits)
        interval = check_interval(own.shape) if self.config.check_interval is None else self.config.check_interval
        super().__init__(StepLoop(stepper, optimizer, edits, interval), spec)
        if split is not None:
            split.processes.on("control", law.set_control)
            split.processes.on("weights", self._share_weights)

    def __repr__(self) -> str:
        return one_line(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    @property
    def first_step(self) -> int:
        """Steps done with which the run begins: 0, or those that its initial cells state."""
        return first_step(self._initial)

    # -- stepping ------------------------------------------------------------------------------------------------

    @led
    def step(self, n: int = 1, until: Callable[[], bool] | None = None) -> int:
        """Takes `n` steps, frame by due frame; returns their number. The result does not depend on the split into calls.

        Args:
            until: asked between two chunks of steps, every 50 ms or so; True ends the call early.

        Raises:
            DivergedError: the cells hold NaN or Inf (found at the next check).
            StateError: `n` is negative, or a lossless subscription is full and nobody reads it.
        """
        return self._loop.step(n, until)

    @led
    def reverse(self, n: int = 1) -> None:
        """Takes `n` steps back, one by one; only of a reversible law, back to step 0 at the most.

        Raises:
            LawError: the law is not reversible. StateError: more steps than were done, or a recorder is running.
        """
        loop, stepper, law = self._loop, self._loop.stepper, self.traits
        if not law.reversible:
            raise LawError(f"reverse: {law.name} cannot be run back; expected a reversible law, as SecondOrder or Q2R")
        if loop.feed.lossless():
            raise StateError("reverse: a recorder is running, and its steps only go forward; finish it first")
        with loop.changing():
            before = stepper.step
            done = before - self.first_step
            if not 0 <= n <= done:
                raise StateError(f"reverse: {n} steps given; expected 0 to {done}, the steps that were done")
            stepper.reverse(n)
            loop.edits.add_state(before)
            loop.feed.show_again()

    def warm_up(self) -> Plan:
        """Picks a plan, and compiles if that is the plan, now instead of after a number of eager steps.

        Raises:
            LawError: the law cannot step these cells.
        """
        self._make_plan()
        return self.plan

    @led
    def _make_plan(self) -> None:
        with self._loop.lock:
            self._loop.stepper.warm_up()

    # -- changes -------------------------------------------------------------------------------------------------

    @led
    def set_cells(self, cells: Tensor | ArrayLike, at: Sequence[int] | None = None, universe: int | None = None) -> None:
        """Replaces the cells, or a block of them; memory and step stay.

        Args:
            cells: `(C, *size)`, every universe alike, or `(B, C, *size)`: a tensor, an array, or nested lists. For a law of one
                channel `(*size)` will do.
            at: corner of the block, (top, left) in two dimensions; None for the whole grid.
            universe: the only one that changes; then `cells` is `(C, *size)`. None for all.

        Raises:
            StateError: another shape, a block that leaves the grid, or values that the law's cells cannot have; see
                `aetheria.motor.values`.
        """
        update = checked_update(law_values(cells, self.traits, "set_cells"), at, universe, self._spec)
        loop = self._loop
        with loop.changing():
            loop.stepper.set_cells(update)
            loop.edits.add_cells(update)
            loop.edge_watch.begin()
            loop.feed.show_again()

    @led
    def set_control(self, name: str, value: Value) -> None:
        """Changes a parameter of the law between two steps; nothing is compiled again for a number.

        Raises:
            ConfigError: no such control, or a value that the law's constructor would refuse; nothing changes.
        """
        with self._loop.lock:
            self.traits.set_control(name, value)
            if self.split is not None:
                self.split.processes.command("control", name, self.traits.get_control(name))
            self._loop.edits.add_control(name)
            self._loop.feed.show_again()

    @led
    def restart(self, seed: int | None = None, initial: InitialCells = None) -> None:
        """Goes back to its first step, with fresh initial cells and memory; parameters of the law stay as they are.

        Buffers and attributes that stepping changed in the law's modules are put back to their first values.

        Args:
            seed: a new one; None for the present one.
            initial: other initial cells, now and at later restarts; None for the present ones.

        Raises:
            StateError: a recorder is running, whose steps only go forward, or cells that do not fit.
            ConfigError, FileUnreadableError: as for a new motor's initial cells.
        """
        loop, stepper = self._loop, self._loop.stepper
        if loop.feed.lossless():
            raise StateError("restart: a recorder is running, and its steps only go forward; finish it first")
        seed = self.seed if seed is None else seed
        initial = self._initial if initial is None else initial
        fresh = stepper.fresh(initial, seed)
        with loop.changing():
            self._initial = initial
            stepper.restart(fresh, initial, self.first_step, seed)
            stepper.own.begin_anew()
            loop.edits.restart()
            if initial is not self._first_initial:
                loop.edits.add_state(self.first_step)
            loop.edge_watch.begin(anew=True)
            loop.feed.show_again()

    @led
    def load_weights(self, path: str | Path) -> None:
        """Other weights for the law, from the next step on; cells and step stay. For any thread.

        A replay of the run begins with these weights, at the present state.

        Raises:
            FileUnreadableError, LawError: they cannot be read or do not fit; the law is as before.
            StateError: a recorder is running, whose file holds the weights it began with.
        """
        if self._loop.feed.lossless():
            raise StateError(
                "load_weights: a recorder is running, and its file holds the weights it began with; finish it first"
            )
        tensors = fitting_weights(self.law, path)
        with self._loop.lock:
            self.law.load_state_dict(tensors)
            if self.split is not None:
                self.split.processes.command("weights")
            self._loop.stepper.own.initial = self._loop.stepper.own.capture()
            self._loop.edits.shorten()

    def _share_weights(self) -> None:
        """Gives every process the weights of the leader."""
        assert self.split is not None
        with torch.inference_mode():
            for tensor in self.law.state_dict().values():
                self.split.processes.broadcast(tensor)
        self._loop.stepper.own.initial = self._loop.stepper.own.capture()

    @led
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict`.

        Raises:
            StateError: keys missing, a step or seed that no motor has, tensors of other shapes, NaN or Inf.
        """
        loop, stepper = self._loop, self._loop.stepper
        with loop.changing():
            own_memory = stepper.state[1:]
        given, step, seed = checked_state(state, own_memory, self._spec)
        if loop.feed.lossless() and step < stepper.step:
            raise StateError("load_state_dict: a recorder is running, and its steps only go forward; finish it first")
        with loop.changing():
            before = stepper.step
            stepper.own.load(state.get("law", {}))  # first: it may refuse
            stepper.go_to(given, step, seed)
            loop.edits.add_state(before)
            loop.edge_watch.begin(anew=True)
            loop.feed.show_again()

    # -- copies --------------------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles law, settings, whole state and edits; a copy has locks of its own, and no subscriptions.

        Raises:
            StateError: its grid is split.
        """
        if self.split is not None:
            raise StateError("copy: the grid of this motor is split over processes; save its state instead")
        loop, law = self._loop, self.traits
        with loop.lock:
            made = (self.law, self.shape[2:], law.d_state or law.channels, str(self.device), self.config)
            state = {"memory": (), **self.state_dict()}
            own = loop.stepper.own
            kept = (self._initial, self._first_initial, own.initial, set(own.changed), loop.edits.saved())
        return _restored, (type(self), made, state, kept)

    def __copy__(self) -> Self:
        """As `copy.deepcopy`: two motors that step one module would change each other's state."""
        return copy.deepcopy(self)


def _device_of(mesh: DeviceMesh | None, device: str | torch.device | None) -> str | torch.device | None:
    """The device of this process: with a mesh on GPUs the current one, which the mesh has set."""
    if mesh is None or device not in (None, "auto"):
        return device
    return mesh.device_type


def _restored(
    kind: type[Aetheria_Motor], made: tuple[Any, ...], state: Mapping[str, Any], kept: tuple[Any, ...]
) -> Aetheria_Motor:
    cells = state["cells"]
    motor = kind(*made, initial=cells, batch=len(cells), seed=state["seed"])
    stepper = motor._loop.stepper
    motor._initial, motor._first_initial, stepper.own.initial, stepper.own.changed, edits = kept
    stepper.go_to(*checked_state(state, stepper.state[1:], motor._spec))
    motor._loop.edits.restore(edits)
    return motor
