"""Consoles and options that several commands share."""

import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from aetheria.core.printable import printable
from aetheria.core.shell import shell_quoted

# `rich.markup.escape` doubles a backslash at the end of a text: what could be markup is exchanged for private characters.
_HIDDEN = {ord("["): "\ue000", ord("\\"): "\ue001"}
_SHOWN = {0xE000: "[", 0xE001: "\\"}


class PrintableConsole(Console):
    """A console that prints no control character of a text it is given: the last door before the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        rendered = super().render_str(printable(text, keep="\n\t"), **options)
        rendered.plain = rendered.plain.translate(_SHOWN)
        return rendered


out = PrintableConsole()
err = PrintableConsole(stderr=True)


def plain(text: object) -> str:
    """Text of a file or an argument for a line that the consoles print: on one line, and without markup."""
    return printable(text).translate(_HIDDEN)


def print_error(error: Exception) -> None:
    """Prints an error on stderr."""
    _print_lines("[red]error[/]", str(error) or type(error).__name__)


def print_warning(text: object) -> None:
    """Prints a warning on stderr."""
    _print_lines("[yellow]warning[/]", str(text))


def _print_lines(mark: str, text: str) -> None:
    # Further lines are indented, so that none passes for a line of its own.
    first, *more = text.split("\n")
    err.print(f"{mark} {plain(first)}")
    for line in more:
        err.print(f"  {plain(line)}")


class _PrintedRecords(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_warning(record.getMessage())


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Prints Python's warnings and the warnings logged by Aetheria on stderr, above a progress bar if there is one."""
    logger, handler, before = logging.getLogger("aetheria"), _PrintedRecords(logging.WARNING), warnings.showwarning
    logger.addHandler(handler)
    warnings.showwarning = lambda message, *_args, **_options: print_warning(message)
    try:
        yield
    finally:
        warnings.showwarning = before
        logger.removeHandler(handler)


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
