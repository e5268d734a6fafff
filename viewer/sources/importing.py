"""Import of patterns, arrays, images, weights and states, into the open run or as new runs. No Qt."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aetheria.core.device import times
from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError, LawError, StateError
from aetheria.files.patterns import PATTERN_SUFFIXES
from aetheria.files.recognise import recognised
from aetheria.files.untrusted import check_input, read_array
from aetheria.laws.weights import fitting_weights, read_tensors
from aetheria.motor.initial import Initial, Kind, make_initial
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig
from aetheria.runs.short_config import config_of_pattern, room
from aetheria.runs.state_file import describe_state, is_state, load_state
from viewer.sources.live import LiveSource

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(PATTERN_SUFFIXES, "pattern"),
    ".npy": "npy",
    **dict.fromkeys(IMAGE_SUFFIXES, "image"),
}
_WEIGHTS = (".safetensors", ".pt", ".pth")
SUFFIXES = (*_KINDS, *_WEIGHTS)
_SUFFIX_OF = {"pattern": ".rle", "array": ".npy", "image": ".png", "tensors": ".safetensors", "archive": ".pt"}
_WHOLE = 64  # smallest side of an array that is used as the whole grid; smaller arrays become patterns in a larger grid


@dataclass(frozen=True)
class RunChange:
    """A change of the open run.

    Attributes:
        source: the run.
        apply: makes the change, in a thread of the source.
        restarts: the change takes the run back to step 0.
        note: message for the user.
        config: changed settings of the run's config, by table.
    """

    source: LiveSource
    apply: Callable[[Aetheria_Motor], object]
    restarts: bool
    note: str
    config: dict[str, Any]

    def apply_to_config(self, config: RunConfig) -> RunConfig:
        """The config of the run after the change."""
        values = config.model_dump(exclude_none=True)
        for table, settings in self.config.items():
            values[table] = {**values.get(table, {}), **settings} if table == "law" else settings
        return RunConfig.checked(values, "")


@dataclass(frozen=True)
class NewRun:
    """A run to open.

    Attributes:
        config: of the run.
        note: message for the user, if any.
        prepare: prepares the motor before it is shown.
    """

    config: RunConfig
    note: str = ""
    prepare: Callable[[Aetheria_Motor], object] = lambda _: None


def import_file(path: Path, source: LiveSource | None) -> RunChange | NewRun:
    """Turns a file of `SUFFIXES` into a change of the open run where it fits, else into a run of its own.

    Raises:
        AetheriaError: it cannot be read, or fits neither; the message says what would fit.
    """
    check_input(path, "a pattern, an array, an image, weights or a saved state")
    suffix = suffix_of(path)
    if suffix in _WEIGHTS:
        return _state(path, source) if is_state(path) else _weights(path, source)
    kind = _KINDS[suffix]
    if source is not None and (kind != "pattern" or source.motor.traits.reads_patterns):
        return _cells(path, kind, source)
    if kind == "pattern":
        return _run_of_pattern(path)
    if kind == "npy":
        return NewRun(_life_from_array(path))
    raise ConfigError(
        f"{path.name}: an image is used as the cells of a run; first open a run with a grid of that size (a config, or "
        "a run of the gallery), then open the image"
    )


def suffix_of(path: Path) -> str:
    """The suffix that tells the kind of a file: its own where that is known, else one by its content."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    kind = recognised(path)
    return suffix if kind is None else {**_SUFFIX_OF, "recording": ".h5", "config": ".toml"}.get(kind.key, suffix)


def _cells(path: Path, kind: Kind, source: LiveSource) -> RunChange | NewRun:
    """Other initial cells for the open run."""
    motor = source.motor
    initial = Initial(kind=kind, path=str(path.resolve()))
    try:
        cells = make_initial(initial, motor.traits, motor.shape, motor.seed)
    except StateError as error:
        if kind == "pattern" and motor.traits.bit_rule() is not None:
            run = _run_of_pattern(path)
            return replace(run, note=f"{path.name} does not fit the open grid: opened on a larger one. {run.note}".strip())
        raise StateError(
            f"{error}. The open run ({source.title}) takes at most {times(motor.shape[2:])} cells, in {motor.shape[1]} "
            "channel(s); open a run with a larger grid first, or close this one"
        ) from None
    if not source.runs:  # its steps are counted by the code that steps it
        return RunChange(source, lambda motor: motor.set_cells(cells), False, f"The cells are those of {path.name} now", {})
    return RunChange(
        source,
        lambda motor: motor.restart(initial=initial),
        True,
        f"{path.name} is the initial state of this run now",
        {"initial": initial.model_dump(exclude_none=True)},
    )


def _run_of_pattern(path: Path) -> NewRun:
    """A run of the rule that a pattern names."""
    return NewRun(*config_of_pattern(path))


def _life_from_array(path: Path) -> RunConfig:
    array = read_array(path)
    bits = (0, 255) if array.dtype == np.uint8 and array.max(initial=0) > 1 else (0, 1)
    if array.ndim != 2 or not array.size or not np.isin(array, bits).all():
        raise ConfigError(
            f"{path.name}: an array is used as the cells of a run; first open a run that it fits, or give a 2-D array of 0 "
            "and 1 for Life"
        )
    height, width = array.shape if min(array.shape) >= _WHOLE else map(room, array.shape)
    return _config(
        title=path.stem,
        grid={"height": height, "width": width},
        law={"name": "Life", "rule": "B3/S23"},
        initial={"kind": "npy", "path": str(path.resolve())},
    )


def _state(path: Path, source: LiveSource | None) -> RunChange | NewRun:
    """A saved state: loaded into the open run if law and shape match, else opened with its own config."""
    saved = describe_state(path)
    note = f"Continues from {path.name}, at step {saved.step:,}"
    motor = source.motor if source is not None else None
    if source is not None and motor is not None and (motor.traits.name, motor.shape) == (saved.law, saved.shape):
        return RunChange(source, lambda motor: load_state(motor, path), True, note, {})
    if not saved.config:
        raise StateError(
            f"{path.name}: a state of {saved.law} on {times(saved.shape[2:])} cells, saved without the config of its run; "
            "first open such a run"
        )
    config = RunConfig.from_toml(saved.config, f"{path}: the config it was saved with")
    return NewRun(config, note, lambda motor: load_state(motor, path))


def _weights(path: Path, source: LiveSource | None) -> RunChange | NewRun:
    """Other weights for the open law where they fit, else a Growing NCA of their shape."""
    path = path.resolve()
    misfit = ""
    if source is not None:
        try:
            fitting_weights(source.motor.law, path)
        except LawError as error:
            misfit = f", nor the open law: {str(error).splitlines()[1].strip()}" if "\n" in str(error) else ""
        else:
            note = f"The law continues with the weights of {path.name}"
            return RunChange(source, lambda motor: motor.load_weights(path), False, note, {"law": {"weights": str(path)}})
    try:
        return NewRun(_growing_nca(path))
    except FileUnreadableError:
        raise
    except AetheriaError:
        raise LawError(
            f"{path.name}: the weights fit no Growing NCA{misfit}. First open a config of the law they belong to"
        ) from None


def _growing_nca(path: Path) -> RunConfig:
    tensors = read_tensors(path)
    try:
        (hidden, _), (channels, _) = tensors["hidden.weight"].shape[:2], tensors["update.weight"].shape[:2]
    except (KeyError, ValueError) as error:
        raise LawError(f"{path}: not the weights of a Growing NCA") from error
    return _config(
        title=path.stem,
        grid={"height": 96, "width": 96},
        law={"name": "GrowingNCA", "channels": channels, "hidden_channels": hidden, "weights": str(path)},
        initial={"kind": "seed"},
    )


def _config(**tables: Any) -> RunConfig:
    return RunConfig.checked({"steps": 1000, **tables}, "")
