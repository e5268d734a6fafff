"""Sources of pictures that are read one at a time: folders of images, .npy, .npz and Zarr arrays, and scikit-learn's digits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, FileUnreadableError
from aetheria.core.extras import from_source, installed
from aetheria.files.images import read_rgba
from aetheria.files.untrusted import first_line

ENDINGS = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
DIGITS = "digits"
_LABELS, _MASKS = "labels", "masks"  # arrays in a .npz besides the pictures
_WANTED = "expected a folder of images, a .npy, .npz or .zarr of pictures (N, h, w), (N, C, h, w) or (N, h, w, 1..4), or digits"
_HEADER = 10_000  # bytes of a .npy file's header


@dataclass(frozen=True)
class Stack:
    """Pictures that are read when they are wanted.

    Attributes:
        name: of the source, for messages.
        count: number of pictures.
        read: reads one, by number, as `(C, h, w)`, float32: images in 0..1, arrays as they are.
        labels: for each its class, or None.
        classes: names of the classes.
        masks: reads the class of each cell `(h, w)` of one, where the source has them.
        states: reads one as whole numbers `(h, w)`, unscaled, as masks are; for images 0..255.
    """

    name: str
    count: int
    read: Callable[[int], NDArray[np.float32]]
    labels: Sequence[int] | None = None
    classes: Sequence[str] = ()
    masks: Callable[[int], NDArray[np.float32]] | None = None
    states: Callable[[int], NDArray[np.float32]] | None = None


def open_stack(path: str) -> Stack:
    """The pictures of a path, or of the word "digits". Nothing but names, labels and headers is read.

    Raises:
        ConfigError: another kind of file, or an optional package that is missing. FileUnreadableError: it cannot be read.
    """
    given = Path(path)
    if given.name == DIGITS and not given.exists():
        return _digits()
    if given.suffix == ".zarr":
        return _zarr(given)
    if given.is_dir():
        return _folder(given)
    try:
        if given.suffix == ".npy":
            return _array_stack(str(given), np.load(given, mmap_mode="r", allow_pickle=False, max_header_size=_HEADER))
        if given.suffix == ".npz":
            return _npz(given)
    except (OSError, ValueError, KeyError) as error:
        raise FileUnreadableError(f"{given}: cannot be read; {first_line(error)}") from error
    raise ConfigError(f"[objective] path: {path} given; {_WANTED}")


def _folder(folder: Path) -> Stack:
    """Images in a folder and the folders in it, whose names are the classes."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)
    if not files:
        raise ConfigError(f"[objective] path: {folder}: no image in it; expected files that end in {', '.join(ENDINGS)}")
    names = [str(file.parent.relative_to(folder)) for file in files]
    classes = sorted(set(names))
    labels = [classes.index(name) for name in names] if len(classes) > 1 else None

    def read(number: int) -> NDArray[np.float32]:
        rgba = np.moveaxis(read_rgba(files[number]), -1, 0)
        grey = np.array_equal(rgba[0], rgba[1]) and np.array_equal(rgba[0], rgba[2])
        return np.ascontiguousarray((rgba[:1] if grey else rgba[:3]) * rgba[3:])

    def states(number: int) -> NDArray[np.float32]:
        return np.round(read(number)[0] * np.float32(255))

    return Stack(str(folder), len(files), read, labels, classes if labels else (), states=states)


def _npz(path: Path) -> Stack:
    with np.load(path, allow_pickle=False, max_header_size=_HEADER) as file:
        names = list(file.files)
        labels = np.asarray(file[_LABELS]).tolist() if _LABELS in names else None
    pictures = [name for name in names if name not in (_LABELS, _MASKS)]
    if len(pictures) != 1:
        raise ConfigError(
            f"{path}: holds {', '.join(names)}; expected one array of pictures, and labels or masks if there are any"
        )

    @cache
    def array(name: str) -> Any:
        """A compressed array is read as a whole, once."""
        with np.load(path, allow_pickle=False, max_header_size=_HEADER) as file:
            return file[name]

    first = _array_stack(str(path), array(pictures[0]))
    masks = (lambda number: np.asarray(array(_MASKS)[number], np.float32)) if _MASKS in names else None
    classes = [str(label) for label in range(max(labels) + 1)] if labels else []
    return Stack(first.name, first.count, first.read, labels, classes, masks)


def _zarr(path: Path) -> Stack:
    if not installed("zarr"):
        raise ConfigError(f"{path}: needs zarr: {from_source('zarr')}")
    import zarr

    try:
        return _array_stack(str(path), zarr.open_array(path, mode="r"))
    except Exception as error:  # zarr has errors of its own
        raise FileUnreadableError(f"{path}: cannot be read as a Zarr array; {first_line(error)}") from error


def _digits() -> Stack:
    if not installed("sklearn"):
        raise ConfigError(f"[objective] path: {DIGITS} needs scikit-learn: {from_source('digits')}")
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = _array_stack(DIGITS, np.asarray(found.images / 16, np.float32))
    return Stack(DIGITS, pictures.count, pictures.read, found.target.tolist(), [str(digit) for digit in range(10)])


def _array_stack(name: str, array: Any) -> Stack:
    """The pictures of an array; of 8 and 16 bits without sign in 0..1, other numbers as they are."""
    shape = tuple(array.shape)
    kind = np.dtype(array.dtype)
    if len(shape) not in (3, 4) or not all(shape) or kind.kind not in "fiub":
        raise ConfigError(f"{name}: an array {shape} of {kind}; {_WANTED}")
    last = len(shape) == 4 and shape[-1] <= 4 < shape[1]
    scale = float(np.iinfo(kind).max) if kind in (np.uint8, np.uint16) else 1.0

    def read(number: int) -> NDArray[np.float32]:
        values = np.asarray(array[number], np.float32)
        values = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0) if last else values
        return np.ascontiguousarray(values / np.float32(scale)) if scale != 1 else np.array(values, np.float32)

    def states(number: int) -> NDArray[np.float32]:
        values = np.asarray(array[number], np.float32)
        return values if values.ndim == 2 else values[..., 0] if last else values[0]

    return Stack(name, shape[0], read, states=states)
