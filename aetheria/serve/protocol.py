"""The protocol of a server and its readers: JSON texts, and frames as a JSON head with a binary body.

`docs/remote.md` describes it.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aetheria.core.errors import AetheriaError, ConfigError, nearest

VERSION = 2
MAX_TEXT_BYTES = 4096  # of a reader's JSON message
MAX_CELL_BYTES = 1 << 16  # of the cells in one message
MAX_MESSAGE_BYTES = MAX_CELL_BYTES + MAX_TEXT_BYTES  # of a reader's message of any kind
MAX_READ_VALUES = 1 << 18  # that a reader may ask for at a time
MAX_FRAME_BYTES = 1 << 24  # of a frame, as a client takes it
MAX_SIDE = 1024  # pixels of a picture
MAX_OBSERVABLES = 4  # of one view
_HEAD = struct.Struct("<I")  # bytes of the JSON head, before it


class ProtocolError(ConfigError):
    """A message that is none of the protocol, or a connection that is refused."""


@dataclass(frozen=True)
class View:
    """The part of a run that a reader wants to see. Readers of equal views share their frames.

    Attributes:
        field: name of a field with a picture; None for the first.
        size: pixels along the longer side, at the most.
        cut: layer of a grid with three axes, or "mean" or "max" along the axis; None for the middle.
        axis: across which a grid with three is cut.
        universe: number of the universe.
        observables: names of observables.
        region: (top, left, height, width) of the part that is shown, in cells of the shown axes; None for the whole grid.
    """

    field: str | None = None
    size: int = 512
    cut: int | str | None = None
    universe: int = 0
    observables: tuple[str, ...] = ()
    region: tuple[int, int, int, int] | None = None
    axis: str = "z"


@dataclass(frozen=True)
class Picture:
    """A picture at one step.

    Attributes:
        step: steps done.
        field: name of the field.
        height, width: in pixels.
        channels: 1 for bytes between the levels, 3 for red, green and blue.
        levels: values of the bytes 0 and 255.
        observables: values by name.
        pixels: `height * width * channels` bytes, row by row from the top.
        frame: number of the frame in a recording; None for a run.
        view: that it shows; only universe, slice, axis and region are told.
        finite: whether the values shown are free of NaN and Inf.
    """

    step: int
    field: str
    height: int
    width: int
    channels: int
    levels: tuple[float, float]
    observables: Mapping[str, float]
    pixels: bytes
    frame: int | None = None
    view: View = View()
    finite: bool = True


def text(kind: str, /, **values: Any) -> str:
    """A JSON message of a kind."""
    return json.dumps({"type": kind, **values}, allow_nan=False, separators=(",", ":"))


def read_text(message: str | bytes, where: str) -> dict[str, Any]:
    """The values of a JSON message, with its "type".

    Raises:
        ProtocolError: no JSON object with a type.
    """
    if not isinstance(message, str):
        raise ProtocolError(f"{where}: a binary message given; expected a JSON text")
    try:
        values = json.loads(message, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ProtocolError(f"{where}: no JSON given; expected an object, as in " + '{"type": "pause"}') from None
    if not isinstance(values, dict) or not isinstance(values.get("type"), str):
        raise ProtocolError(f"{where}: expected a JSON object with a type, as in " + '{"type": "pause"}')
    return values


def _no_constant(name: str) -> float:
    raise ValueError(name)


def packed(kind: str, body: bytes, /, **values: Any) -> bytes:
    """A binary message: four bytes with the length of the head, the JSON head, the body."""
    head = text(kind, **values).encode()
    return _HEAD.pack(len(head)) + head + body


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the body of a binary message. Raises ValueError or TypeError for one that has none."""
    try:
        (length,) = _HEAD.unpack_from(message)
        values = json.loads(message[_HEAD.size : _HEAD.size + length], parse_constant=_no_constant)
    except (struct.error, RecursionError):
        raise ValueError from None
    if not isinstance(values, dict):
        raise TypeError
    return values, message[_HEAD.size + length :]


def frame_bytes(picture: Picture) -> bytes:
    """A picture as a message."""
    return packed(
        "frame",
        picture.pixels,
        step=picture.step,
        field=picture.field,
        height=picture.height,
        width=picture.width,
        channels=picture.channels,
        levels=picture.levels,
        observables={name: value if math.isfinite(value) else None for name, value in picture.observables.items()},
        frame=picture.frame,
        universe=picture.view.universe,
        slice=picture.view.cut,
        axis=picture.view.axis,
        region=picture.view.region,
        finite=picture.finite,
    )


def read_frame(message: bytes) -> Picture:
    """The picture of a message.

    Raises:
        ProtocolError: the message is no frame of this protocol.
    """
    try:
        values, pixels = unpacked(message)
        height, width, channels = (values[name] for name in ("height", "width", "channels"))
        low, high = map(float, values["levels"])
        numbers = {str(name): math.nan if value is None else float(value) for name, value in values["observables"].items()}
        wrong = channels not in (1, 3) or not all(isinstance(n, int) and 0 < n <= MAX_SIDE for n in (height, width))
        if wrong or len(pixels) != height * width * channels:
            raise ValueError
        step, frame = int(values["step"]), values["frame"]
        view = read_view({name: values[name] for name in ("universe", "slice", "axis", "region")})
        finite = values["finite"] is not False
        return Picture(step, str(values["field"]), height, width, channels, (low, high), numbers, pixels, frame, view, finite)
    except (ValueError, KeyError, TypeError, AttributeError, ProtocolError):
        raise ProtocolError("frame: damaged; expected a JSON head and as many pixels as it states") from None


def read_view(values: Mapping[str, Any]) -> View:
    """The view that a message of type "view" asks for; the names of fields are checked by the source.

    Raises:
        ProtocolError: an unknown key, or a value of another type or out of its range.
    """
    known = ("field", "size", "slice", "axis", "universe", "observables", "region")
    for name in values.keys() - {"type", *known}:
        raise ProtocolError(f'view: key "{name}"; {nearest(str(name), list(known))}')
    field, cut, names = values.get("field"), values.get("slice"), values.get("observables", [])
    if field is not None and not isinstance(field, str):
        raise ProtocolError(f"view field: {field!r} given; expected a name")
    if not (cut is None or cut in ("mean", "max") or (isinstance(cut, int) and not isinstance(cut, bool))):
        raise ProtocolError(f'view slice: {cut!r} given; expected a whole number, "mean", "max" or null')
    if not isinstance(names, list) or len(names) > MAX_OBSERVABLES or not all(isinstance(name, str) for name in names):
        raise ProtocolError(f"view observables: {names!r} given; expected up to {MAX_OBSERVABLES} names")
    size, universe = _whole(values, "size", 512, 1, MAX_SIDE), _whole(values, "universe", 0, 0, 1 << 31)
    if (axis := values.get("axis", "z")) not in ("z", "y", "x"):
        raise ProtocolError(f'view axis: {axis!r} given; expected "z", "y" or "x"')
    return View(field, size, cut, universe, tuple(dict.fromkeys(names)), _region(values.get("region")), axis)


def _region(given: object) -> tuple[int, int, int, int] | None:
    if given is None:
        return None
    if isinstance(given, list) and len(given) == 4 and all(type(n) is int and 0 <= n < 1 << 31 for n in given):
        top, left, height, width = given
        if height and width:
            return top, left, height, width
    raise ProtocolError(f"view region: {given!r} given; expected top, left, height and width in cells, or null")


def _whole(values: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ProtocolError(f"view {name}: {value!r} given; expected a whole number from {low} to {high}")
    return value


def one_line(error: AetheriaError) -> str:
    """The first line of an error's message, cut to a length that fits a status bar."""
    return str(error).partition("\n")[0][:400]
