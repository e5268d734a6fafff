"""Commands that packages add through the entry-point group `aetheria.commands`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from aetheria.core.errors import ConfigError
from aetheria.core.extras import VIEWER_NEEDS
from aetheria.core.printable import printable

ENTRY_POINTS = "aetheria.commands"
# Listed even if the package's metadata are missing, as after a checkout that was not installed again.
_NEEDS = {"view": VIEWER_NEEDS}
_MISSING = "not_available"


class ExtensibleGroup(TyperGroup):
    """The commands of Aetheria, then those of entry points, each a function with typer's annotations, loaded when asked for."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _printable_usage_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _printable_usage_errors():
            return super().invoke(ctx)

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # click's own Context
        own = super().list_commands(ctx)
        return [*own, *sorted({*_NEEDS, *_points()} - {*own})]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        """The command of that name. One whose package cannot be imported is there, and says so when it is called."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own  # type: ignore[return-value]
        point = _points().get(cmd_name)
        if point is None and cmd_name not in _NEEDS:
            return None
        try:
            if point is None:
                raise ImportError(f"no entry point {cmd_name} in {ENTRY_POINTS}")
            function = point.load()
        except Exception as error:  # noqa: BLE001 - importing a package can raise anything
            function = _unavailable(cmd_name, error)
        return _as_command(cmd_name, function)


@contextmanager
def _printable_usage_errors() -> Iterator[None]:
    """Makes the arguments that a usage error quotes printable. Typer's class of these errors is not public."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = printable(error.message, keep="\n")  # type: ignore[attr-defined]
        raise


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _as_command(name: str, function: Callable[..., None]) -> TyperCommand:
    app = typer.Typer(add_completion=False)
    # One that is not available takes any arguments, to say so.
    anything = {"ignore_unknown_options": True, "allow_extra_args": True} if function.__name__ == _MISSING else {}
    app.command(name, context_settings=anything)(function)
    return typer.main.get_command(app)  # type: ignore[return-value]


def _unavailable(name: str, error: Exception) -> Callable[..., None]:
    needs = _NEEDS.get(name, "cannot be imported")

    def not_available(_: typer.Context) -> None:
        raise ConfigError(f"{name}: {needs} ({error})")

    not_available.__doc__ = f"Not available: {needs}.".replace("[", "\\[")  # or the help would take it for markup
    return not_available
