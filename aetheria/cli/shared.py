"""What every command needs: where to print, and options that several have."""

from typing import Annotated

import typer
from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def _force(context: typer.Context, wanted: bool) -> bool:
    if wanted:
        from aetheria.core.memory_limits import forced

        context.with_resource(forced())
    return wanted


Force = Annotated[bool, typer.Option("--force", callback=_force, help="Take more than 80 % of the free memory, if need be.")]
