"""Commands that show a run elsewhere: a server for a recording, and a reader in the terminal."""

from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from aetheria.cli.serving import Certificate, Host, Key, Port, ReadOnly, print_address, read_access
from aetheria.cli.shared import out
from aetheria.core.errors import ConfigError


def serve(
    file: Annotated[Path, typer.Argument(help="A recording (.h5), also one that is being written.")],
    host: Host = None,
    port: Port = None,
    read_only: ReadOnly = False,
    tls_cert: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Show a recording to browsers and to aetheria watch, until Ctrl-C."""
    access = read_access(host, port, read_only, tls_cert, tls_key)
    from aetheria.recording.lock import is_being_written
    from aetheria.serve.playback import PlaybackSource
    from aetheria.serve.server import Server

    source = PlaybackSource(file, follow=is_being_written(file))
    try:
        with Server(source, access) as server:
            print_address(server)
            while server.alive:
                sleep(0.2)
    except KeyboardInterrupt:
        return
    finally:
        source.close()


def watch(
    target: Annotated[str, typer.Argument(help="The address that a server printed, or a recording (.h5).")],
    field: Annotated[str | None, typer.Option("--field", help="Field to show.")] = None,
    observable: Annotated[list[str] | None, typer.Option("--observable", help="Observable to print; repeatable.")] = None,
    slice_: Annotated[
        str | None, typer.Option("--slice", metavar="LAYER", help="Of a 3-D grid: a number, mean or max along z.")
    ] = None,
    universe: Annotated[int, typer.Option("--universe", min=0, help="Universe to show.")] = 0,
    colours: Annotated[str, typer.Option("--colours", help="Colour map, instead of the field's.")] = "",
    frames: Annotated[int | None, typer.Option("--frames", min=1, help="End after so many pictures.")] = None,
) -> None:
    """Watch a served run or a recording in the terminal, until Ctrl-C."""
    from aetheria.serve.access import check_websockets

    check_websockets()
    from aetheria.serve.protocol import read_view
    from aetheria.serve.watching import watch_recording, watch_remote

    cut = int(slice_) if slice_ is not None and slice_.isdecimal() else slice_
    size = max(1, min(1024, max(out.width, 2 * out.height)))
    view = read_view({"field": field, "slice": cut, "universe": universe, "observables": observable or [], "size": size})
    if colours:
        from aetheria.observe.colour_maps import colour_map

        colour_map(colours)
    remote = "://" in target
    if not remote and not Path(target).exists():
        raise ConfigError(f"{target}: no such file; expected a recording, or an address as a server printed it")
    try:
        if remote:
            watch_remote(target, view, out, frames, colours)
        else:
            watch_recording(Path(target), view, out, frames, colours)
    except KeyboardInterrupt:
        return
