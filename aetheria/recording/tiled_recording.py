"""Reads the frames at full resolution that lie beside a recording, in a Zarr store."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import DamagedRecordingError, RecordingError
from aetheria.core.memory_limits import check_room
from aetheria.observe.frame import Frame
from aetheria.observe.request import AXIS_NAMES
from aetheria.recording.frame_fields import FrameFields
from aetheria.recording.frame_sequence import FrameSequence
from aetheria.recording.schema import from_file
from aetheria.recording.tiled_store import zarr_library

if TYPE_CHECKING:
    import xarray


class TiledRecording(FrameSequence):
    """Frames in a Zarr store; only committed ones, also while the run goes on.

    Attributes:
        path: of the store.
        attributes: of the run.
        fields: names of the fields.
    """

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            RecordingError: there is no such store. ConfigError: zarr is not installed.
        """
        self.path = Path(path)
        group = self._opened()
        self.attributes: dict[str, Any] = dict(group.attrs)
        names = [name for name, _ in group.arrays()]
        if not {"step", "time"} <= set(names) or "universes" not in self.attributes:
            raise RecordingError(f"{self.path}: is a Zarr store, and not one of frames")
        self.fields = tuple(name for name in names if name not in ("step", "time", *AXIS_NAMES))
        self._batch = int(self.attributes["universes"])

    def __len__(self) -> int:
        return int(self._opened()["step"].shape[0])

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps of the committed frames."""
        return np.asarray(self._opened()["step"][:])

    def frame(self, index: int) -> Frame:
        """Committed frame `index`, from 0; its fields are read when asked for."""
        return Frame(int(self._opened()["step"][index]), 0.0, FrameFields(self.fields, index, self.read))

    def read(self, name: str, index: int) -> NDArray[np.generic]:
        """A field of committed frame `index`, `(B, *grid)`, "rgb" `(B, 3, *grid)`.

        Raises:
            RecordingError: no such field, or it cannot be read. NoSuchFrameError: no such frame.
            StateError: the field does not fit into memory.
        """
        index = self.checked_index(index)
        if name not in self.fields:
            raise RecordingError(f'{self.path}: field "{name}" not recorded; expected {", ".join(self.fields)}')
        array = self._opened()[name]
        check_room(math.prod(array.shape[1:]) * array.dtype.itemsize, f"{self.path}: a frame", "read a part of it with zarr")
        try:
            values = np.asarray(array[index])
        except (OSError, ValueError, RuntimeError) as error:
            raise DamagedRecordingError(self.path, f"frame {index} of {name} cannot be read; {error}") from error
        return from_file(values, name, self._batch)

    def to_xarray(self) -> "xarray.Dataset":
        """The committed frames as an `xarray.Dataset`, loaded lazily; uint8 pixels are decoded to the field's unit."""
        import xarray

        return xarray.open_zarr(self.path, consolidated=True, chunks=None)

    def _opened(self) -> Any:
        """The store as it is now."""
        zarr = zarr_library()
        try:
            return zarr.open_group(self.path, mode="r", use_consolidated=True)
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f"{self.path}: cannot be read as a store of frames; {error}") from error
