"""A run from config to recording and picture: wires everything."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from aetheria.core.errors import ConfigError
from aetheria.export.pictures import check_levels, find_levels, picture
from aetheria.files.atomic import atomic_write, check_output
from aetheria.laws import build_law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.state import InitialCells
from aetheria.observe.colour_maps import colour_map
from aetheria.observe.fields import get_field
from aetheria.recording import Recorder
from aetheria.recording.schema import filters
from aetheria.runs.checkpoint import Checkpoints
from aetheria.runs.config import LawTable, Record, RunConfig
from aetheria.runs.session import Progress, Session
from aetheria.runs.signals import Interrupts
from aetheria.runs.state_file import SavedState


@dataclass
class Outcome:
    """How a run ended: "done", "interrupted" or "diverged", with what it left behind.

    Attributes:
        exit_code: 0 done, 4 diverged, 130 SIGINT, 143 SIGTERM.
        message: for people, where there is something to say.
        waited_s: how long the motor waited for the disk.
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


def built_law(table: LawTable, d_state: int | None) -> tuple[nn.Module, int]:
    """The law of a table, and its d_state; `d_state` is for a registered module that does not state its channels.

    Raises:
        AetheriaError: as `build_law`, or d_state is missing.
    """
    law = build_law(table.name, seed=table.seed, weights=table.weights, **table.parameters)
    found = d_state or getattr(law, "d_state", None) or getattr(law, "channels", None)
    if found is None:
        raise ConfigError(f"[config] d_state: missing; {table.name} does not state its channels")
    return law, found


def build_motor(config: RunConfig, device: str | None = None, initial: InitialCells = None) -> Aetheria_Motor:
    """The motor that a config describes, ready to step.

    Args:
        config: a checked config.
        device: instead of the config's.
        initial: instead of the config's.

    Raises:
        AetheriaError: whatever the law, its weights, the initial cells or the device refuse.
    """
    law, d_state = built_law(config.law, config.d_state)
    settings = config.motor
    if settings.planned_steps is None:
        settings = settings.model_copy(update={"planned_steps": config.steps})
    grid = (config.grid.height, config.grid.width)
    cells = config.initial if initial is None else initial
    return Aetheria_Motor(
        law, grid, int(d_state), device or config.device, settings, initial=cells, batch=config.batch, seed=config.seed
    )


def run(
    config: RunConfig,
    out: Path,
    *,
    device: str | None = None,
    overwrite: bool = False,
    make_folder: bool = False,
    started: Callable[[Aetheria_Motor], None] = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Runs `config` to its end, or to the first SIGINT or SIGTERM; writes `out` (.h5), a PNG and checkpoints beside it.

    Args:
        config: what to run.
        out: the recording.
        device: instead of the config's.
        overwrite: replace existing files.
        make_folder: make the folder of `out` where it is missing.
        started: called once with the motor, before the first step.
        progress: called about ten times a second.

    Raises:
        AetheriaError: before anything is written for bad input; after a clean close for a failing disk.
        Interrupted: by a signal that came before the first step; nothing is written.
    """
    image = out.with_suffix(".png")
    for path in (out, image):
        check_output(path, overwrite, make_folder)
    with Interrupts() as interrupts, build_motor(config, device) as motor:
        check_wanted(config, motor)
        started(motor)
        motor.warm_up()
        interrupts.check()
        if make_folder:
            out.parent.mkdir(exist_ok=True)
        interrupts.patience = math.inf  # nothing is left half made; the session listens again
        wanted = {**recorded(config), "config": config.to_toml(), "title": config.title, "until": config.steps}
        recorder = Recorder(motor, out, **wanted, overwrite=overwrite)
        session = Session(motor, recorder, checkpoints_for(config, motor, recorder), interrupts, config.steps, progress)
        return conclude(session, config, lambda session: session.step_to(config.steps))


def conclude(session: Session, config: RunConfig, work: Callable[[Session], None]) -> Outcome:
    """Does what a session is for, and leaves the picture of how it ended."""
    motor, recorder = session.motor, session.recorder
    image = recorder.path.with_suffix(".png")
    began = time.perf_counter()
    ending = session.run(work)
    if ending.status == "diverged":
        image.unlink(missing_ok=True)
    else:
        with atomic_write(image) as beside:
            paint(config, motor).save(beside)
    return Outcome(
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


def checkpoints_for(
    config: RunConfig, motor: Aetheria_Motor, recorder: Recorder, newest: SavedState | None = None
) -> Checkpoints | None:
    """The checkpoints that a config wants, if any."""
    wanted = config.checkpoint
    if not wanted.every and not wanted.minutes:
        return None
    return Checkpoints(motor, recorder, every=wanted.every, minutes=wanted.minutes, config=config.to_toml(), newest=newest)


def check_wanted(config: RunConfig, motor: Aetheria_Motor) -> None:
    """Raises ConfigError for a recording or picture that could not be made, before compiling rather than after it."""
    filters(config.record.codec)
    motor.subscribe(**_subscription(config.record)).close()
    field = get_field(_picture_field(config, motor), motor.traits.d_state, motor.traits.channels, motor.traits.fields)
    if field.scalar:
        raise ConfigError(f'[picture] field: "{field.name}" is an observable; expected a field with a picture')
    colour_map(config.picture.colour_map or field.colour_map)
    if config.picture.levels:
        check_levels("[picture] levels", config.picture.levels)


def make_recorder(config: RunConfig, motor: Aetheria_Motor, out: Path, overwrite: bool) -> Recorder:
    """The recorder that a config describes, from the motor's present step on; raises what `Recorder` does."""
    return Recorder(
        motor,
        out,
        **_subscription(config.record),
        codec=config.record.codec,
        overwrite=overwrite,
        config=config.to_toml(),
        title=config.title,
    )


def paint(config: RunConfig, motor: Aetheria_Motor) -> Image.Image:
    """The picture of the present cells, universe 0, as the config wants it."""
    wanted = config.picture
    name = _picture_field(config, motor)
    field = get_field(name, motor.traits.d_state, motor.traits.channels, motor.traits.fields)
    values = motor.read(name)[0].cpu().numpy()
    levels = (wanted.levels[0], wanted.levels[1]) if wanted.levels else find_levels([values], *field.range)
    return picture(values, name, wanted.colour_map or field.colour_map, levels, wanted.scale)


def _picture_field(config: RunConfig, motor: Aetheria_Motor) -> str:
    return config.picture.field or motor.traits.default_field


def recorded(config: RunConfig) -> dict[str, Any]:
    """What a config records, as keywords of `Recorder`."""
    return {**_subscription(config.record), "codec": config.record.codec}


def _subscription(record: Record) -> dict[str, Any]:
    return {
        "fields": record.fields,
        "every": record.every,
        "size": (record.size[0], record.size[1]) if record.size else None,
        "dtype": record.dtype,
        "levels": {name: check_levels(f"[record] levels {name}", pair) for name, pair in record.levels.items()},
    }
