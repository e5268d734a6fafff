"""Command line of the viewer: `aetheria view`, and `python -m viewer`. Qt is imported when a window is opened."""

from typing import Annotated, NoReturn

import typer

from aetheria.cli.shared import Device, Force, Overrides
from aetheria.core.errors import ConfigError
from aetheria.core.extras import VIEWER_NEEDS


def command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[CONFIG | RECORDING.h5 | ADDRESS]",
            help="What to open; without it, a gallery to choose from. ADDRESS: of a served run.",
        ),
    ] = None,
    set_: Overrides = None,
    device: Device = None,
    _force: Force = False,
) -> None:
    """Open a window on a live simulation, a recording, or a run that a server shows."""
    leave(main(what, set_, device))


def main(path: str | None = None, overrides: list[str] | None = None, device: str | None = None) -> int:
    """Opens the window, and returns its exit code when it is closed.

    Raises:
        AetheriaError: the file cannot be opened, or the viewer's packages are missing.
    """
    try:
        from viewer.window.app import run_window
    except ImportError as error:
        raise ConfigError(f"view: {VIEWER_NEEDS} ({error})") from None
    return run_window(path, overrides, device)


def leave(code: int) -> NoReturn:
    """Ends the program."""
    from viewer.window.app import exit_program

    exit_program(code)


if __name__ == "__main__":
    typer.run(command)
