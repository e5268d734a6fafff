"""A motor as a source of frames: one thread steps it, another serves the window."""

import math
from collections.abc import Callable
from typing import TypeVar

from aetheria.laws.base import Law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.palette import first_view_settings
from viewer.model.plane import plane_of
from viewer.model.status import Status
from viewer.model.view_settings import FrameRequest
from viewer.sources.cell_access import MotorCells
from viewer.sources.live_frames import GridFrames, LiveFrames
from viewer.sources.runner import Runner
from viewer.sources.source import RateMeter, Worker, field_choices, observable_names
from viewer.sources.space_time import SpaceTimeFrames

T = TypeVar("T")


class LiveSource(Worker):
    """A motor: one that the viewer steps, or one that other code steps and the window only shows and edits.

    Attributes:
        cells: of the motor, for the tools.
        not_edited: empty: they can be changed.
        config: the config of the motor, if it has one.
        borrowed: the motor belongs to other code, and stays open when the source is closed.
    """

    live = True
    not_edited = ""

    def __init__(
        self,
        motor: Aetheria_Motor,
        *,
        title: str = "",
        config: RunConfig | None = None,
        steps_it: bool = True,
        borrowed: bool = False,
    ) -> None:
        """
        Args:
            motor: the motor to show.
            title: title shown to the user.
            config: the config of the motor.
            steps_it: the viewer steps the motor; False when the user's own code does.
            borrowed: the motor stays open when the source is closed.
        """
        self.motor = motor
        self.cells = MotorCells(motor)
        self.config = config
        self.title = title or motor.traits.name
        self.universes = motor.shape[0]
        self.plane = plane_of(motor.shape[2:])
        traits = motor.traits
        self.fields = field_choices(traits, None if config is None else config.picture.field)
        self.first_view_settings = first_view_settings(self.fields, self.plane, config)
        self.observables = observable_names(traits, len(self.plane.shape))
        choices = {choice.name: choice for choice in self.fields}
        self._frames: LiveFrames = (
            SpaceTimeFrames(motor, self.plane, choices)
            if self.plane.space_time
            else GridFrames(motor, self.plane, choices, self.first_view_settings, self.submit)
        )
        self.samples = self._frames.samples
        self._request: FrameRequest | None = None
        self._steps, self._bytes, self._shown = RateMeter(), RateMeter(), RateMeter()
        self._taken = 0
        super().__init__("viewer source")
        self.runner = Runner(motor, self.report_error) if steps_it else None
        self.runs = steps_it
        self.borrowed = borrowed or not steps_it

    @property
    def law(self) -> Law:
        """The law of the motor."""
        return self.motor.traits

    # -- frames -------------------------------------------------------------------------------------------------

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        before, self._request = self._request, frame_request
        if before != frame_request:
            self.submit(lambda: self._frames.request(self._request), name="frames")

    def next_frame(self) -> RenderedFrame | None:
        frame = self._frames.next_frame()
        self._taken += frame is not None
        return frame

    def background_work(self) -> float | None:
        return self._frames.background_work()

    def refresh(self, restarted: bool = False) -> None:
        """Shows the present cells, which were edited; only for jobs in the thread of the source."""
        self._frames.refresh(restarted)

    def invalidate_levels(self) -> None:
        """Finds levels and histogram anew: the cells were edited, possibly while the motor stood still."""
        self._frames.invalidate_levels()

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        self.submit(
            lambda: self._frames.read_cell(y, x, universe), lambda cell: None if cell is None else then(cell), "inspect"
        )

    # -- running -------------------------------------------------------------------------------------------------

    def play(self, playing: bool) -> None:
        if self.runner is not None:
            self.runner.set(playing=playing)

    def advance_updates(self, updates: int) -> None:
        if self.runner is not None and updates > 0:
            self.runner.run_steps(updates * self.runner.stride)

    def go_to(self, step: int) -> None:
        """Steps on to `step`; restarts first if that is in the past."""
        if self.runner is None:
            return

        def restart_if_earlier() -> None:
            assert self.runner is not None
            self.runner.halt()
            if step < self.motor.step_count:
                self.motor.restart()
                self.report_restart()
            self.runner.run_steps(step - self.motor.step_count)

        self.runner.set(playing=False)
        self.submit(restart_if_earlier)

    def set_speed(self, speed: float | None, stride: int) -> None:
        if self.runner is not None:
            self.runner.set(speed=speed, stride=stride)
            self.submit(lambda: self._frames.set_interval(stride), name="interval")

    def submit_paused(self, job: Callable[[Aetheria_Motor], T], then: Callable[[T], None] | None = None) -> None:
        """As `submit_with_motor`, after the steps in progress have ended: the displayed cells are those that the job leaves."""

        def stopped() -> T:
            if self.runner is not None:
                self.runner.halt()
            return job(self.motor)

        self.play(False)
        self.submit(stopped, then)

    def submit_with_motor(
        self, job: Callable[[Aetheria_Motor], T], then: Callable[[T], None] | None = None, name: str = ""
    ) -> None:
        """Runs a job with the motor in the worker thread; `then` is called with the result by `run_callbacks`."""
        self.submit(lambda: job(self.motor), then, name)

    def status(self) -> Status:
        motor, runner = self.motor, self.runner
        steps_per_s = self._steps(motor.step_count)
        plan = motor.plan
        stats = motor.optimizer.get_memory_stats()
        memory = stats.get("gpu_allocated_mb", stats.get("resident_mb"))
        return Status(
            step=motor.step_count,
            playing=runner.busy if runner is not None else steps_per_s > 0,
            steps_per_s=steps_per_s,
            cells_per_s=steps_per_s * motor.shape[0] * math.prod(motor.shape[2:]),
            frames_per_s=self._shown(self._taken),
            dropped=self._frames.dropped,
            device=str(motor.device),
            plan=f"{plan.name}, faster plan in preparation" if motor.planning else plan.name,
            plan_reason=plan.reason,
            memory_mb=float(memory) if memory is not None else None,
            edge_step=motor.edge_step,
            bytes_per_s=self._bytes(motor.optimizer.transfer_stats.bytes),
        )

    def close(self) -> None:
        if self.runner is not None:
            self.runner.close()
        super().close()

    def on_exit(self) -> None:
        """Leaves the motor as it was found: without subscription, and closed if it belongs to the viewer."""
        self._frames.request(None)
        if not self.borrowed:
            self.motor.close()
