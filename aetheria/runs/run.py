"""A run from a config: builds the motor, records it, checkpoints it, and leaves a picture of its end."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torch.distributed.device_mesh import DeviceMesh

from aetheria.core.errors import AetheriaError, ConfigError, RecordingError
from aetheria.export.pictures import check_levels
from aetheria.files.atomic import atomic_write, check_output
from aetheria.laws import build_law, find_law, parameters
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.state import InitialCells
from aetheria.observe.request import Request
from aetheria.recording import Recorder, Recording
from aetheria.recording.schema import filters
from aetheria.runs.checkpoint import Checkpoints
from aetheria.runs.config import RunConfig
from aetheria.runs.config_tables import LawConfig, RecordConfig
from aetheria.runs.full_frames import FullFrames, TileWriter, check_store, store_beside, with_preview
from aetheria.runs.last_picture import check_picture, last_picture
from aetheria.runs.session import RunProgress, Session
from aetheria.runs.signals import SignalHandler
from aetheria.runs.state_file import SavedState
from aetheria.runs.steering import Steering
from aetheria.split.join import shared_text


@dataclass
class RunResult:
    """The end of a run, and the files it left.

    Attributes:
        status: "done", "interrupted" or "diverged".
        exit_code: 0 done, 4 diverged, 130 SIGINT, 143 SIGTERM.
        message: for the user; empty if there is nothing to say.
        waited_s: seconds that the motor waited for the disk.
    """

    status: str
    exit_code: int
    steps: int
    frames: int
    seconds: float
    recording: Path
    picture: Path | None
    message: str = ""
    waited_s: float = 0.0


def law_from_config(config: LawConfig, d_state: int | None, rank: int = 2) -> tuple[nn.Module, int]:
    """The law of a config, and its d_state.

    Args:
        d_state: for a registered module that does not state its channels.
        rank: number of axes of the grid; the default of a law's parameter `rank`.

    Raises:
        AetheriaError: as `build_law`, or d_state is missing.
    """
    given = config.parameters
    if "rank" in parameters(find_law(config.name)):
        given = {"rank": rank} | given
    law = build_law(config.name, seed=config.seed, weights=config.weights, **given)
    found = d_state or getattr(law, "d_state", None) or getattr(law, "channels", None)
    if found is None:
        raise ConfigError(f"[config] d_state: missing; {config.name} does not state its channels")
    return law, found


def build_motor(
    config: RunConfig, device: str | None = None, initial: InitialCells = None, mesh: DeviceMesh | None = None
) -> Aetheria_Motor:
    """The motor of a config, ready to step.

    Args:
        config: a checked config.
        device: replaces the config's.
        initial: replaces the config's.
        mesh: processes over which the grid is split; each builds the motor.

    Raises:
        AetheriaError: the law, its weights, the initial cells or the device are refused.
    """
    grid = config.grid.sides
    law, d_state = law_from_config(config.law, config.d_state, len(grid))
    settings = config.motor
    if settings.planned_steps is None:
        settings = settings.model_copy(update={"planned_steps": config.steps})
    cells = config.initial if initial is None else initial
    options: dict[str, Any] = {"initial": cells, "batch": config.batch, "seed": config.seed, "mesh": mesh}
    return Aetheria_Motor(law, grid, int(d_state), device or config.device, settings, **options)


def run(
    config: RunConfig,
    out: Path,
    *,
    device: str | None = None,
    overwrite: bool = False,
    make_folder: bool = False,
    mesh: DeviceMesh | None = None,
    started: Callable[[Aetheria_Motor], None] = lambda _: None,
    progress: Callable[[RunProgress], None] = lambda _: None,
    steering: Steering | None = None,
) -> RunResult:
    """Runs `config` to its end, or to the first SIGINT or SIGTERM; writes `out` (.h5), a PNG and checkpoints beside it.

    Args:
        out: the recording.
        device: replaces the config's.
        overwrite: replace existing files.
        make_folder: make the folder of `out` if it is missing.
        mesh: processes over which the grid is split; this one leads, the others call `aetheria.runs.split_run.follow`.
        started: called once with the motor, before the first step.
        progress: called about ten times a second.
        steering: by which other threads pause and slow the run.

    Raises:
        AetheriaError: for bad input before anything is written; for a failing disk after the recording is closed.
        Interrupted: a signal came before the first step; nothing is written.
    """
    config = with_preview(config)
    image = out.with_suffix(".png")
    for path in (out, image):
        check_output(path, overwrite, make_folder)
    if config.record.format == "zarr":
        check_store(store_beside(out), overwrite, make_folder)
    if mesh is not None:
        shared_text(config.to_toml())
    with SignalHandler() as signals, build_motor(config, device, mesh=mesh) as motor:
        check_outputs(config, motor)
        started(motor)
        motor.warm_up()
        signals.check()
        if make_folder:
            out.parent.mkdir(exist_ok=True)
        signals.ignored = math.inf  # until the session handles them: no file is left half made
        settings = {**recorder_settings(config.record), "config": config.to_toml(), "title": config.title}
        recorder = Recorder(motor, out, **settings, until=config.steps, overwrite=overwrite)
        full = full_frames_for(config, motor, recorder)
        checkpoints = checkpoints_for(config, motor, recorder, full)
        session = Session(motor, recorder, checkpoints, signals, config.steps, progress, steering, full)
        return finish(session, config, lambda session: session.step_to(config.steps))


def finish(session: Session, config: RunConfig, work: Callable[[Session], None]) -> RunResult:
    """Does the work of a session, and writes the picture of the last state."""
    motor, recorder = session.motor, session.recorder
    image = recorder.path.with_suffix(".png")
    began = time.perf_counter()
    try:
        ending = session.run(work)
    except RecordingError as error:
        if not recorder.lost:
            raise
        raise RecordingError(f"{error}. {_rescued(recorder)}") from error
    if ending.status == "diverged":
        image.unlink(missing_ok=True)
    else:
        with atomic_write(image) as temporary:
            last_picture(config, motor, recorder.path).save(temporary)
    return RunResult(
        status=ending.status,
        exit_code=ending.exit_code,
        steps=motor.step_count,
        frames=recorder.frames,
        seconds=time.perf_counter() - began,
        recording=recorder.path,
        picture=image if image.exists() else None,
        message=ending.message,
        waited_s=recorder.waited_s,
    )


def _rescued(recorder: Recorder) -> str:
    """Saves a recording whose file was lost while it was written, in its folder or the one above that is left; says where."""
    folder = next(parent for parent in recorder.path.absolute().parents if parent.is_dir())
    names = (f"{recorder.path.stem}-saved{number}{recorder.path.suffix}" for number in ("", *(f"-{n}" for n in range(2, 1000))))
    target = next(path for path in map(folder.joinpath, names) if not path.exists())
    try:
        recorder.save_as(target)
    except (AetheriaError, OSError) as error:
        return f"They could not be saved: {error}"
    return f"They are saved: {target}"


def checkpoints_for(
    config: RunConfig,
    motor: Aetheria_Motor,
    recorder: Recorder,
    full_frames: FullFrames | None,
    newest: SavedState | None = None,
) -> Checkpoints | None:
    """The checkpoints of a config; None if it has none."""
    settings = config.checkpoint
    if not settings.every and not settings.minutes:
        return None
    options: dict[str, Any] = {"config": config.to_toml(), "newest": newest, "full_frames": full_frames}
    return Checkpoints(motor, recorder, every=settings.every, minutes=settings.minutes, **options)


def full_frames_for(
    config: RunConfig, motor: Aetheria_Motor, recorder: Recorder, *, resumed: bool = False
) -> FullFrames | None:
    """The frames at full resolution of a config; None if it has none. An error ends the recording."""
    if config.record.format != "zarr":
        return None
    try:
        with Recording(recorder.path) as recording:
            about = {name: _plain(value) for name, value in recording.attributes.items()}
        return FullFrames(motor, config, recorder.path, about, resumed=resumed)
    except BaseException:
        recorder.finish("failed")
        raise


def _plain(value: Any) -> Any:
    """An attribute of a file as JSON takes it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def check_outputs(config: RunConfig, motor: Aetheria_Motor) -> None:
    """Raises ConfigError for a recording or picture that cannot be made: before a plan is compiled, not after."""
    if config.steps <= motor.step_count:
        raise ConfigError(f"steps: {config.steps} given; the run begins at step {motor.step_count:,}: expected more")
    filters(config.record.codec)
    record_request(config.record, motor)
    if config.record.format == "zarr":
        TileWriter(motor, config.record)
    check_picture(config, motor)


def recorder_settings(record: RecordConfig) -> dict[str, Any]:
    """The keyword arguments of `Recorder` that a config gives."""
    return {"every": record.every, "codec": record.codec, **_request_settings(record)}


def record_request(record: RecordConfig, motor: Aetheria_Motor) -> Request:
    """The request for the recorded frames. Raises ConfigError for fields, sizes, slices or levels that the motor refuses."""
    try:
        return motor.request(**_request_settings(record))
    except ConfigError as error:
        stray = str(error).startswith("levels: ") and "are asked for" in str(error)
        remedy = "; drop them with --set 'record.levels={}', or give levels for those fields" if stray else ""
        raise ConfigError(f"[record] {error}{remedy}") from None


def _request_settings(record: RecordConfig) -> dict[str, Any]:
    return {
        "fields": record.fields,
        "size": record.size,
        "dtype": record.dtype,
        "levels": {name: check_levels(f"[record] levels {name}", pair) for name, pair in record.levels.items()},
        "slice": record.slice or {},
    }
