"""A run from config to recording and picture: wires everything, heeds signals, reports progress."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from PIL import Image

from aetheria.colours import colour_map
from aetheria.config import Record, RunConfig
from aetheria.errors import ConfigError, DivergedError
from aetheria.export import check_levels, find_levels, picture
from aetheria.fields import get_field
from aetheria.files import check_output, replacing
from aetheria.laws import build_law
from aetheria.motor import Aetheria_Motor
from aetheria.recording import Recorder
from aetheria.recording.schema import filters

_PIECE_S = 0.1  # how long a piece of the run may take before signals and progress are looked at


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


@dataclass(frozen=True)
class Progress:
    """A moment of a run, for whoever shows it."""

    motor: Aetheria_Motor
    recorder: Recorder
    done: int
    total: int
    seconds: float


def build_motor(config: RunConfig, device: str | None = None) -> Aetheria_Motor:
    """The motor that a config describes, ready to step.

    Args:
        config: a checked config.
        device: instead of the config's.

    Raises:
        AetheriaError: whatever the law, its weights, the initial cells or the device refuse.
    """
    table = config.law
    law = build_law(table.name, seed=table.seed, weights=table.weights, **table.parameters)
    d_state = config.d_state or getattr(law, "d_state", None) or getattr(law, "channels", None)
    if d_state is None:
        raise ConfigError(f"[config] d_state: missing; {table.name} does not state its channels")
    settings = config.motor
    if settings.planned_steps is None:
        settings = settings.model_copy(update={"planned_steps": config.steps})
    grid = (config.grid.height, config.grid.width)
    initial = config.initial
    return Aetheria_Motor(
        law, grid, int(d_state), device or config.device, settings, initial=initial, batch=config.batch, seed=config.seed
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
    """Runs `config` to its end, or to the first SIGINT or SIGTERM; writes `out` (.h5) and a PNG beside it.

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
    """
    image = out.with_suffix(".png")
    for path in (out, image):
        check_output(path, overwrite, make_folder)
    with build_motor(config, device) as motor:
        check_wanted(config, motor)
        started(motor)
        motor.warm_up()
        if make_folder:
            out.parent.mkdir(exist_ok=True)
        recorder = make_recorder(config, motor, out, overwrite)
        began = time.perf_counter()
        try:
            status, exit_code, message = _record(config.steps, motor, recorder, progress)
        except DivergedError as error:  # of the cells, or of what the recorder was given
            status, exit_code, message = "diverged", error.exit_code, str(error)
            image.unlink(missing_ok=True)
        else:
            with replacing(image) as beside:
                paint(config, motor).save(beside)
        return Outcome(
            status=status,
            exit_code=exit_code,
            steps=motor.step_count,
            frames=recorder.frames,
            seconds=time.perf_counter() - began,
            recording=out,
            picture=image if image.exists() else None,
            message=message,
            waited_s=recorder.waited_s,
        )


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


def _record(
    steps: int, motor: Aetheria_Motor, recorder: Recorder, progress: Callable[[Progress], None]
) -> tuple[str, int, str]:
    """Steps to the end or a signal and closes the recording, whatever happens: status, exit code, message."""
    received: list[int] = []
    with recorder, _signals(received):
        _step_all(steps, motor, recorder, received, progress)
        if received:
            recorder.finish("interrupted")
            return "interrupted", 128 + received[0], f"interrupted at step {motor.step_count} of {steps}"
    return "done", 0, ""


def _step_all(
    steps: int,
    motor: Aetheria_Motor,
    recorder: Recorder,
    received: list[int],
    progress: Callable[[Progress], None],
) -> None:
    began, piece, done = time.perf_counter(), 1, 0
    while done < steps and not received:
        before = time.perf_counter()
        motor.step(min(piece, steps - done))
        done = motor.step_count
        now = time.perf_counter()
        piece = max(1, piece * 2 if now - before < _PIECE_S / 2 else int(piece * _PIECE_S / (now - before)))
        progress(Progress(motor, recorder, done, steps, now - began))


def _subscription(record: Record) -> dict[str, Any]:
    return {
        "fields": record.fields,
        "every": record.every,
        "size": (record.size[0], record.size[1]) if record.size else None,
        "dtype": record.dtype,
        "levels": {name: check_levels(f"[record] levels {name}", pair) for name, pair in record.levels.items()},
    }


@contextmanager
def _signals(received: list[int]) -> Iterator[None]:
    """Collects SIGINT and SIGTERM in `received` instead of dying of them; a second one of a kind acts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    previous: dict[signal.Signals, Any] = {}

    def take(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, previous[signal.Signals(number)])

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
