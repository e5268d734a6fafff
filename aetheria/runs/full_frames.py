"""Frames at full resolution beside a recording, each process of a split grid writes its own tile (`format = "zarr"`)."""

from pathlib import Path
from typing import Any

import torch

from aetheria.core.block import Block
from aetheria.core.errors import ConfigError, DivergedError, RecordingError
from aetheria.core.printable import get_logger
from aetheria.files.atomic import check_output
from aetheria.motor.cells import finite
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.split_fields import computed_by_parts
from aetheria.observe.fields import Field
from aetheria.observe.render import pixels
from aetheria.recording.schema import to_file
from aetheria.recording.tiled_store import TiledStore, divisor_up_to, shard_sides, zarr_library
from aetheria.runs.config import RunConfig
from aetheria.runs.config_tables import RecordConfig

log = get_logger(__name__)
PREVIEW = 256  # most values along an axis of the fields in the recording itself


def store_beside(recording: Path) -> Path:
    """The store that belongs to a recording."""
    return recording.with_suffix(".zarr")


def check_store(path: Path, overwrite: bool, make_folder: bool) -> None:
    """Raises ConfigError unless a store can be created at `path`; see `check_output`."""
    check_output(path, overwrite, make_folder, a_folder=True)
    if path.exists() and not (path / "zarr.json").is_file():
        raise ConfigError(f"{path}: is not a Zarr store; it is not replaced by one")


def with_preview(config: RunConfig) -> RunConfig:
    """The config with a size for the recording itself, where frames at full resolution lie beside it.

    Raises:
        ConfigError: zarr is not installed, or a slice is given.
    """
    record = config.record
    if record.format != "zarr":
        return config
    zarr_library()
    if record.slice:
        raise ConfigError(f'[record] slice: {record.slice} given with format "zarr", which holds the whole grid; leave it out')
    if record.size is not None:
        return config
    sides = config.grid.sides
    size = [divisor_up_to(side, PREVIEW) for side in sides]
    return config.model_copy(update={"record": record.model_copy(update={"size": size})})


class TileWriter:
    """Writes this process's tile of frames; on every process of a split grid, where rank 0 commands."""

    def __init__(self, motor: Aetheria_Motor, record: RecordConfig) -> None:
        """
        Raises:
            ConfigError: no spatial field, or one that tiles cannot compute by themselves.
        """
        wanted = motor.request(record.fields, dtype=record.dtype, levels={k: (v[0], v[1]) for k, v in record.levels.items()})
        names = [field.name for field in wanted.fields if not field.scalar]
        if not names:
            raise ConfigError('[record] fields: observables alone given with format "zarr"; expected a field')
        for field in wanted.fields:
            if motor.split is not None and not field.scalar and not computed_by_parts(motor.traits, field):
                raise ConfigError(f'[record] fields: "{field.name}" needs the whole grid; expected another with format "zarr"')
        self.request = motor.request(names, dtype=record.dtype, levels=wanted.levels)
        self._motor = motor
        self._stores: dict[str, TiledStore] = {}
        if motor.split is not None:
            motor.split.processes.on("write frame", self._write)
            motor.split.processes.on("sync frames", self._sync)

    def write(self, path: Path, row: int) -> bool:
        """Writes a frame of the present cells, in all processes; False where a field holds NaN or Inf."""
        split, place = self._motor.split, str(path.absolute())
        return bool(self._write(place, row) if split is None else split.processes.command("write frame", place, row))

    def sync(self) -> None:
        """Waits until what all processes wrote is on the disk. Raises RecordingError, DiskFullError or ProcessLostError."""
        split = self._motor.split
        self._sync() if split is None else split.processes.command("sync frames")

    def _sync(self) -> None:
        for store in self._stores.values():
            store.sync()
        if self._motor.split is not None:
            self._motor.split.processes.agree(0)  # all have

    def _write(self, path: str, row: int) -> bool:
        if row == 0 or path not in self._stores:  # a store that was made anew
            self._stores[path] = TiledStore(Path(path))
        found = [self._write_field(self._stores[path], field, row) for field in self.request.fields]  # every one: it exchanges
        good = all(found)
        split = self._motor.split
        return good if split is None else bool(split.processes.agree(int(good), least=True))  # all have written, too

    def _write_field(self, store: TiledStore, field: Field, row: int) -> bool:
        motor, tile = self._motor, self._motor.tile
        with torch.inference_mode():
            values = motor.own_field(field.name)
            good = field.undefined or finite(values)
            shown: Any = pixels(field, values, self.request)
            if motor.split is not None and not self._fits(store, field):
                shown, tile = motor.split.halo.join(shown, (1,) * len(tile.size)), Block((0,) * len(tile.size), motor.shape[2:])
            if shown is not None:
                store.write(field.name, row, to_file(shown.cpu().numpy(), field.name, motor.shape[0]), tile)
        return good

    def _fits(self, store: TiledStore, field: Field) -> bool:
        """Whether no shard lies in two tiles: after a resume on another split one may."""
        sides = store.shards(field.name)
        return all(start % side == 0 for corner in corners(self._motor) for start, side in zip(corner, sides, strict=True))


def corners(motor: Aetheria_Motor) -> list[tuple[int, ...]]:
    """The first cells of all tiles."""
    if motor.split is None:
        return [motor.tile.corner]
    return [motor.split.halo.tiling.tile(each).start for each in motor.split.processes.mesh.coordinates]


class FullFrames:
    """The store of a run, on the process that leads: frames at multiples of `record.every`, committed when all have written.

    Attributes:
        path: of the store.
    """

    def __init__(
        self, motor: Aetheria_Motor, config: RunConfig, recording: Path, about: dict[str, Any], *, resumed: bool
    ) -> None:
        """
        Args:
            about: the attributes of the recording.
            resumed: go on with the store that is there, after the present step.

        Raises:
            ConfigError: as for `TileWriter`.
            RecordingError: the store cannot be written, is of another recording, or lacks frames before the present step.
        """
        self.path = store_beside(recording)
        self._motor, self._every = motor, config.record.every
        self._first = int(about["first_step"])
        self._writer = TileWriter(motor, config.record)
        if resumed and not self._unbegun():
            self._store = TiledStore(self.path)
            self._go_on(str(about["id"]))
        else:
            shards = shard_sides(motor.shape[2:], corners(motor))
            self._store = TiledStore.create(self.path, self._writer.request, motor.shape, shards, about)

    def steps_left(self) -> int:
        """Steps to the next frame."""
        return self._every - self._motor.step_count % self._every

    def save(self) -> None:
        """Writes the frame of the present step, if one is due and not there.

        Raises:
            DivergedError: a field holds NaN or Inf; the frames before are good.
            RecordingError, DiskFullError: it cannot be written. ProcessLostError: by another process.
        """
        step, row = self._motor.step_count, self._rows(self._motor.step_count) - 1
        if step % self._every or row < self._store.frames:
            return
        with self._motor.turn:
            if not self._writer.write(self.path, row):
                raise DivergedError(f"NaN or Inf at step {step}; the {row} frames before in {self.path} are good")
            self._store.write("step", row, step)
            self._store.write("time", row, step * self._motor.traits.dt)
            self._store.commit(row + 1)

    def sync(self) -> None:
        """Waits until all frames are on the disk. Raises RecordingError, DiskFullError or ProcessLostError."""
        self._writer.sync()
        self._store.sync()

    def _unbegun(self) -> bool:
        """Whether a run that begins again was killed before its store was there."""
        if self._motor.step_count > self._first:
            return False
        try:
            TiledStore(self.path)
        except RecordingError:
            return True
        return False

    def _rows(self, step: int) -> int:
        """Frames up to a step, that included."""
        return step // self._every - -(-self._first // self._every) + 1

    def _go_on(self, recording: str) -> None:
        held, wanted = self._store.frames, self._rows(self._motor.step_count)
        if self._store.attributes.get("id") != recording:
            raise RecordingError(f"{self.path}: belongs to another recording; expected the one that lies beside {recording}")
        if held < wanted - (self._motor.step_count % self._every == 0):
            raise RecordingError(f"{self.path}: holds {held} frames; expected {wanted} up to step {self._motor.step_count}")
        self._store.commit(min(held, wanted))
