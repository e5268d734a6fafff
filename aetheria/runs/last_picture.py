"""The picture that a run leaves of its last state, as [picture] of its config says."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.export.pictures import Movie, PictureStyle, check_levels, find_levels, picture, positive_levels
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.colour_maps import colour_map
from aetheria.observe.request import AXIS_NAMES, Request
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig

_MOST_PIXELS = 4096  # along an axis
_MOST_ROWS = 1024  # frames in a space-time picture


def check_picture(config: RunConfig, motor: Aetheria_Motor) -> None:
    """Raises ConfigError for a picture that cannot be made."""
    settings = config.picture
    field = _request(config, motor).fields[0]
    if field.scalar:
        raise ConfigError(f'[picture] field: "{field.name}" is an observable; expected a field with a picture')
    colour_map(settings.colour_map or field.colour_map)
    if field.name == "rgb" and (settings.log or settings.gamma != 1):
        raise ConfigError("[picture] log, gamma: the field rgb has colours of its own; expected a field with a colour map")
    if settings.levels:
        low, _ = check_levels("[picture] levels", settings.levels)
        if settings.log and low <= 0:
            raise ConfigError(f"[picture] levels: {settings.levels} given; expected numbers above 0, for log")


def render_picture(config: RunConfig, motor: Aetheria_Motor) -> Image.Image:
    """The picture of the present cells of universe 0."""
    settings = config.picture
    request = _request(config, motor)
    field = request.fields[0]
    values = motor.look(request)[field.name][0]
    if settings.levels:
        levels = check_levels("[picture] levels", settings.levels)
    else:
        levels = positive_levels([values]) if settings.log else find_levels([values], *field.range)
    if values.ndim == 1 + (field.name == "rgb"):  # a single axis: a picture of one row
        values = values[..., None, :]
    colours = settings.colour_map or field.colour_map
    return picture(values, field.name, colours, levels, settings.scale, log=settings.log, gamma=settings.gamma)


def last_picture(config: RunConfig, motor: Aetheria_Motor, recording: Path) -> Image.Image:
    """The picture of the last state; on a grid of one axis the space-time picture of the last frames, if they were recorded."""
    settings = config.picture
    if len(config.grid.sides) > 1:
        return render_picture(config, motor)
    with Recording(recording) as frames:
        field = settings.field or motor.traits.default_field
        if field not in frames.fields or not len(frames):
            return render_picture(config, motor)
        levels = check_levels("[picture] levels", settings.levels) if settings.levels else None
        style = PictureStyle(settings.colour_map, levels, scale=settings.scale, log=settings.log, gamma=settings.gamma)
        return Movie(frames, field, style, int(frames.steps[-_MOST_ROWS:][0])).space_time_picture()


def _request(config: RunConfig, motor: Aetheria_Motor) -> Request:
    settings, grid = config.picture, config.grid.sides
    cuts = settings.slice or ({"z": grid[0] // 2} if len(grid) == 3 else {})
    shown = [side for axis, side in zip(AXIS_NAMES[-len(grid) :], grid, strict=True) if axis not in cuts]
    try:
        field = settings.field or motor.traits.default_field
        return motor.request([field], picture_size(shown), universe=0, slice=cuts)  # type: ignore[arg-type]
    except ConfigError as error:
        raise ConfigError(f"[picture] {error}") from None


def picture_size(sides: Sequence[int]) -> tuple[int, ...] | None:
    """The pixels for cells with these sides: fewer where there would be more than 4,096 along one of them."""
    least = -(-max(sides) // _MOST_PIXELS) if sides else 1
    if least == 1:
        return None
    whole = (n for n in range(least, 2 * least) if not any(side % n for side in sides))
    cells = next(whole, least)  # to a pixel; areas that cut no cell are exact, and processes make them by themselves
    return tuple(max(1, side // cells) for side in sides)
