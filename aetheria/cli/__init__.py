"""The command line `aetheria`."""

import sys
from typing import Annotated

import typer

from aetheria.cli.extensions import ExtensibleGroup
from aetheria.cli.law_commands import import_weights, laws, quantise
from aetheria.cli.machine_commands import bench, doctor, profile
from aetheria.cli.recording_commands import export, info, repair, verify
from aetheria.cli.run_commands import run, train
from aetheria.cli.serve_commands import serve, watch
from aetheria.cli.shared import out, print_error, printed_warnings
from aetheria.cli.sweep_commands import sweep
from aetheria.core.errors import AetheriaError
from aetheria.files.full_disk import is_disk_full

# torch, h5py and NumPy are imported inside the commands: --help must not wait for them.
app = typer.Typer(
    name="aetheria",
    cls=ExtensibleGroup,
    help="Simulate cellular automata: neural and classic laws, on the GPU or CPU, recorded to HDF5.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 all points of a sweep failed, 2 bad config or arguments, 3 disk full, 4 diverged, "
    "5 unreadable input, 6 verify found a difference or repair could not save everything, 7 a process of a split run was lost, "
    "130 interrupted.",
)
for command in (
    run,
    serve,
    watch,
    train,
    sweep,
    info,
    verify,
    repair,
    export,
    laws,
    quantise,
    import_weights,
    bench,
    profile,
    doctor,
):
    app.command()(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from aetheria.core.version import __version__

        out.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.with_resource(printed_warnings())


def main() -> None:
    """Runs the command line; an AetheriaError ends it with its message and exit code, without a traceback."""
    try:
        app()
    except AetheriaError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except OSError as error:  # from libraries that write pictures and films
        print_error(error)
        sys.exit(3 if is_disk_full(error) else 5)
