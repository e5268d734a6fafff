"""Tables of a run's config: grid, law, recording, checkpoints and picture."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict
from pydantic import Field as Setting

from aetheria.core.device import AXES
from aetheria.core.errors import ConfigError
from aetheria.core.settings import Settings
from aetheria.observe.request import PixelType
from aetheria.recording.schema import Codec

LARGEST_SIDE = 1 << 20
Side = Annotated[int, Setting(gt=0, le=LARGEST_SIDE)]
Slice = dict[str, int | str]


class GridConfig(Settings):
    """Size of the grid in cells: `width` (1-D), `height` and `width` (2-D), all three (3-D); or the same as `shape`.

    Attributes:
        depth: number of cells along z. [cells]
        height: number of cells along y. [cells]
        width: number of cells along x. [cells]
        shape: [width], [height, width] or [depth, height, width]. [cells]
    """

    depth: Side | None = None
    height: Side | None = None
    width: Side | None = None
    shape: list[Side] | None = Setting(default=None, min_length=1, max_length=3, examples=["shape = [32, 64, 64]"])

    @property
    def sides(self) -> tuple[int, ...]:
        """(width,), (height, width) or (depth, height, width).

        Raises:
            ConfigError: both `shape` and a named side are given, or a side is missing.
        """
        named = [(axis, getattr(self, axis)) for axis in AXES if getattr(self, axis) is not None]
        given = " and ".join(axis for axis, _ in named)
        if self.shape is not None:
            if named:
                raise ConfigError(f"[grid] shape: {self.shape} given with {given}; expected one or the other")
            return tuple(self.shape)
        for axis in AXES[-max(1, len(named)) :]:
            if getattr(self, axis) is None:
                raise ConfigError(f"[grid] {axis}: missing; this key is required" + (f" with {given}" if given else ""))
        return tuple(side for _, side in named)


class LawConfig(Settings):
    """The law: its name, weights, and the seed of untrained weights; every other key is a parameter of the law.

    In a file a rule may stand without a name: the law that runs it is then filled in; see `aetheria.laws.rules`.

    Attributes:
        name: of a law; see `aetheria laws`.
        weights: a file of trained weights, relative to the config's folder.
        seed: of untrained weights. [1]
    """

    model_config = ConfigDict(extra="allow")

    name: str = Setting(examples=['name = "Life"'])
    weights: str | None = None
    seed: int = Setting(default=0, ge=0, lt=1 << 63)

    @property
    def parameters(self) -> dict[str, Any]:
        """The law's own parameters, not yet checked."""
        return dict(self.model_extra or {})


class RecordConfig(Settings):
    """Contents of the recording: see `aetheria.recording.Recorder`.

    Attributes:
        every: steps between two frames. [steps]
        fields: names of fields and observables; the law's default field when left out.
        slice: axis to index, "mean" or "max", as in {z = 16}: the axes to cut away. [cells]
        size: cells to average down to, one number for each axis that is left. [cells]
        dtype: of the stored numbers.
        levels: the values that become 0 and 255 in "uint8", for each field; its range when left out. [unit of the field]
        codec: "gzip" opens everywhere; "fast" (LZ4) and "compact" (Zstandard) need the extra "codecs".
        format: "zarr" writes the fields at full resolution to a Zarr store beside the recording, in which they have then the
            `size` of a preview; each process of a split grid writes its own tile.
    """

    every: int = Setting(default=10, gt=0)
    fields: list[str] | None = Setting(default=None, min_length=1)
    slice: Slice | None = Setting(default=None, min_length=1)
    size: list[int] | None = Setting(default=None, min_length=1, max_length=3, examples=["size = [64, 64]"])
    dtype: PixelType = "float32"
    levels: dict[str, list[float]] = Setting(default_factory=dict)
    codec: Codec = "gzip"
    format: Literal["hdf5", "zarr"] = "hdf5"


class CheckpointConfig(Settings):
    """How often the state is saved beside the recording, to resume from; whichever of the two is due first.

    Attributes:
        every: steps between checkpoints, 0 for no such rule. [steps]
        minutes: minutes between checkpoints, 0 for no such rule. With both 0 none is saved; otherwise also one at
            the end. [minutes]
    """

    every: int = Setting(default=0, ge=0)
    minutes: float = Setting(default=10.0, ge=0)


class PictureConfig(Settings):
    """The PNG that a run leaves beside its recording: the last state, or in 1-D the last frames, time downwards.

    Attributes:
        field: name of the field; the law's default field when left out.
        slice: axis to index, "mean" or "max"; the middle along z when left out on a grid of three axes. [cells]
        colour_map: name of a colour map; that of the field when left out.
        levels: the values of the map's first and last colour; found from the cells when left out. [unit of the field]
        scale: pixels for each side of a cell. [pixels]
        log: colours are by the logarithm of the values; levels are above 0.
        gamma: the power of the places in the colour map: below 1 low values become lighter. [1]
    """

    field: str | None = None
    slice: Slice | None = Setting(default=None, min_length=1)
    colour_map: str | None = None
    levels: list[float] | None = Setting(default=None, min_length=2, max_length=2)
    scale: int = Setting(default=4, gt=0, le=64)
    log: bool = False
    gamma: float = Setting(default=1.0, ge=0.1, le=10)
