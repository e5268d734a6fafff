"""Watching in a terminal: a remote run or a recording as half-block pictures, with a line of status below."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from aetheria.core.printable import printable
from aetheria.observe.colour_maps import colour_map
from aetheria.recording.lock import is_being_written
from aetheria.serve.client import RemoteRun
from aetheria.serve.half_blocks import HalfBlocks, coloured
from aetheria.serve.playback import PlaybackSource
from aetheria.serve.protocol import Picture, View

_STATUS_ROWS = 2


def watch_remote(address: str, view: View, console: Console, frames: int | None = None, colours: str = "") -> None:
    """Shows a run of a server until it ends.

    Args:
        address: as the server printed it.
        view: to show; `size` is that of the terminal.
        frames: pictures after which it ends; None for all.
        colours: name of a colour map; that of the field when empty.

    Raises:
        ConfigError: the server refuses, or has no such view.
    """
    with RemoteRun(address) as run:
        if view.field is not None or view.observables or view.cut is not None or view.universe or view.size != View().size:
            run.choose(view)
        maps = {str(field["name"]): str(field["colour_map"]) for field in run.welcome["fields"]}
        _show(run.pictures(), str(run.welcome["title"]), maps, console, frames, colours)


def watch_recording(path: Path, view: View, console: Console, frames: int | None = None, colours: str = "") -> None:
    """Plays a recording over and over; of one that is being written shows the newest frame. Otherwise as `watch_remote`."""
    source = PlaybackSource(path, follow=is_being_written(path))
    try:
        maps = {field.name: field.colour_map for field in source.info.fields}
        pictures = (picture for picture in source.pictures(view, lambda: False, source.budget) if picture is not None)
        _show(pictures, source.info.title, maps, console, frames, colours)
    finally:
        source.close()


def _show(
    pictures: Iterator[Picture], title: str, maps: dict[str, str], console: Console, frames: int | None, colours: str
) -> None:
    rows: deque[NDArray[np.uint8]] = deque(maxlen=max(2, 2 * (console.height - _STATUS_ROWS)))
    # Without a terminal every picture is printed: rich's live display shows only the last one there.
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    if live is not None:
        live.start()
    try:
        for number, picture in enumerate(pictures, 1):
            image = coloured(picture, colour_map(colours or maps.get(picture.field, "ember")))
            if picture.height == 1:  # a grid of one axis: one row a frame, time downwards
                rows.append(image[0])
                image = np.stack(rows)
            shown = Group(HalfBlocks(image, max(1, console.height - _STATUS_ROWS)), Text(_line(title, picture)))
            if live is None:
                console.print(shown)
            else:
                live.update(shown, refresh=True)
            if number == frames:
                return
    finally:
        if live is not None:
            live.stop()


def _line(title: str, picture: Picture) -> str:
    low, high = picture.levels
    numbers = "".join(f"   {name} {value:,.6g}" for name, value in picture.observables.items())
    return printable(f"{title}   step {picture.step:,}   {picture.field} {low:.4g} to {high:.4g}{numbers}")
