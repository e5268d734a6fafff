"""Consoles and options that several commands share."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from aetheria.core.shell import shell_quoted

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def program() -> str:
    """The command of this program in the user's shell: after `make run` it is not on the PATH."""
    if shutil.which("aetheria"):
        return "aetheria"
    if Path(sys.argv[0]).name == "__main__.py":
        return f"{shell_quoted(sys.executable)} -m aetheria"
    return shell_quoted(sys.argv[0])


def _force(context: typer.Context, wanted: bool) -> bool:
    if wanted:
        from aetheria.core.memory_limits import forced

        context.with_resource(forced())
    return wanted


Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:<number>.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors and warnings only.")]
Force = Annotated[bool, typer.Option("--force", callback=_force, help="Use more than 80 % of the free memory if necessary.")]
