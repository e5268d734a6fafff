"""Files of tiles: every process writes its own tile of a state, and reads its window from the tiles of any split.

A file is safetensors, with the digest of its tensors in the metadata. Files are mapped, not loaded: only what is asked for is
read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from pydantic import Field as Setting
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aetheria.core.errors import AetheriaError, FileUnreadableError, RecordingError
from aetheria.core.settings import Settings
from aetheria.files.atomic import durable_write
from aetheria.files.checked_tensors import check_safetensors, digest_of
from aetheria.split.tiles import Tile

FAILURES = (OSError, SafetensorError, RuntimeError, MemoryError)  # of safe_open, which maps the file
_KEY, _DIGEST = "aetheria_tile", "sha256"


class Piece(Settings):
    """The place of a file's tensor in the tensor over the whole grid, in its numbers along the axes of the grid.

    Attributes:
        corner: its first number along each axis.
        size: its sides.
    """

    corner: tuple[int, ...] = Setting(strict=False)
    size: tuple[int, ...] = Setting(strict=False)


class TileFile(Settings):
    """A file of one process.

    Attributes:
        name: the part of its name between that of the state and ".safetensors".
        sha256: digest of its tensors.
        pieces: of tensors, by name.
    """

    name: str = Setting(pattern=r"^part-[0-9a-f]{1,32}-[0-9]{1,9}$")
    sha256: str
    pieces: dict[str, Piece]

    def path(self, state: Path) -> Path:
        """Where it lies: beside the file of the state that it is part of."""
        return state.with_name(f"{state.name.removesuffix('.safetensors')}.{self.name}.safetensors")

    def check(self, state: Path) -> None:
        """
        Raises:
            FileUnreadableError: it is missing or damaged, or not the file that was written with the state.
        """
        path = self.path(state)
        if not path.exists():
            raise FileUnreadableError(f"{state}: its part {path.name} is missing; expected beside it")
        check_safetensors(path, "a part of a saved state")
        try:
            metadata, tensors = mapped(path)
            found = digest_of(metadata.get(_KEY, ""), tensors)
        except FAILURES as error:
            raise FileUnreadableError(f"{path}: cannot be read as a part of a saved state; {error}") from error
        if found != self.sha256:
            raise FileUnreadableError(
                f"{path}: is damaged, or of another save; its contents have the digest {found[:16]}, not {self.sha256[:16]}"
            )


def write_tile_file(path: Path, tensors: Mapping[str, Tensor], about: str) -> str:
    """Writes one process's tensors; after any failure the file is complete or absent. Returns their digest.

    Raises:
        RecordingError: the file cannot be written, or reads back changed. DiskFullError: no space is left.
    """
    digest = digest_of(about, tensors)

    def verify(temporary: Path) -> None:
        if digest_of(*_as_read(temporary)) != digest:
            raise RecordingError(f"{path}: reads back changed after it was written; the disk, or memory, is failing")

    try:
        with durable_write(path, verify) as temporary:
            save_file(dict(tensors), temporary, {_KEY: about, _DIGEST: digest})
    except AetheriaError:
        raise
    except FAILURES as error:
        raise RecordingError(f"{path}: cannot be written; {error}") from error
    return digest


def _as_read(path: Path) -> tuple[str, dict[str, Tensor]]:
    metadata, tensors = mapped(path)
    return metadata.get(_KEY, ""), tensors


def is_tile_file(metadata: Mapping[str, str]) -> bool:
    """Whether a file with this metadata is one of a process."""
    return _KEY in metadata


def mapped(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file; the tensors are views of the file. Raises one of FAILURES."""
    with safe_open(path, "pt") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


@dataclass(frozen=True)
class TileFiles:
    """The tensors of a state, in one file or in many.

    Attributes:
        files: each with the places of its tensors.
        shapes: of the tensors over the whole grid, by name.
    """

    files: Sequence[tuple[Path, Mapping[str, Piece]]]
    shapes: Mapping[str, tuple[int, ...]]

    def as_json(self) -> list[Any]:
        """For a command to other processes."""
        files = [
            [str(path.absolute()), {name: piece.model_dump(mode="json") for name, piece in pieces.items()}]
            for path, pieces in self.files
        ]
        return [files, {name: list(shape) for name, shape in self.shapes.items()}]

    @classmethod
    def from_json(cls, values: list[Any]) -> "TileFiles":
        """The inverse of `as_json`."""
        files, shapes = values
        return cls(
            [(Path(path), {name: Piece.model_validate(piece) for name, piece in pieces.items()}) for path, pieces in files],
            {name: tuple(shape) for name, shape in shapes.items()},
        )

    def whole(self, name: str) -> Tensor:
        """A tensor over the whole grid, or one that is not over a grid. Raises as `window`."""
        rank = next(len(pieces[name].corner) for _, pieces in self.files if name in pieces)
        sides = self.shapes[name][len(self.shapes[name]) - rank :]
        return self.window(name, Tile((0,) * rank, sides, (0,) * rank, (0,) * rank, sides))

    def window(self, name: str, tile: Tile) -> Tensor:
        """The window of a tile, around a torus, in the numbers of the tensor.

        Raises:
            FileUnreadableError: a file that is missing or damaged, or the files do not hold all of the window.
        """
        found: Tensor | None = None
        filled = 0
        for path, pieces in self.files:
            piece = pieces.get(name)
            if piece is None:
                continue
            if not len(piece.corner) == len(piece.size) == len(tile.grid):
                raise FileUnreadableError(
                    f"{path}: is damaged; the place of {name} in it has another number of axes than the grid"
                )
            if not (copies := list(tile.overlaps(piece.corner, piece.size))):
                continue
            part = self._tensor(path, name, piece)
            if found is None:
                found = part.new_empty((*part.shape[: part.ndim - len(piece.size)], *tile.window))
            for source, target in copies:
                into: Any = (..., *target)
                of: Any = (..., *source)
                found[into] = part[of]
                filled += prod(one.stop - one.start for one in source)
        if found is None or filled != prod(tile.window):
            raise FileUnreadableError(f"{self.files[0][0]}: is damaged; its parts do not hold all of {name}")
        return found

    def _tensor(self, path: Path, name: str, piece: Piece) -> Tensor:
        if path not in self._open:
            try:
                self._open[path] = mapped(path)[1]
            except FAILURES as error:
                raise FileUnreadableError(f"{path}: cannot be read as a part of a saved state; {error}") from error
        found = self._open[path].get(name)
        if found is None or tuple(found.shape[found.ndim - len(piece.size) :]) != piece.size:
            raise FileUnreadableError(f"{path}: is damaged; it does not hold {name} as the saved state says")
        return found

    @cached_property
    def _open(self) -> dict[Path, dict[str, Tensor]]:
        return {}
