"""Reference of the command line, from its own help."""

from typing import Any

import typer

from aetheria.cli import app
from site_pages.docstrings import code, table


def commands_page() -> str:
    """The page on the commands of `aetheria`."""
    group = typer.main.get_command(app)
    page = (
        f"# Commands\n\n{_plain(group.help)}\n\n{_plain(group.epilog)} `aetheria COMMAND --help` shows the same as this page.\n"
    )
    return page + "".join(_section(name, command) for name, command in commands().items())


def commands() -> dict[str, Any]:
    """The commands by name, with those of other packages."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    return {name: group.get_command(context, name) for name in group.list_commands(context)}


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join(["aetheria", name, *map(_placeholder, arguments), *["[OPTIONS]"] * bool(options)])
    rows = [(code(_placeholder(one)), "", _plain(one.help)) for one in arguments]
    rows += [(_names(one), code(_default(one)), _plain(one.help)) for one in options]
    listed = table(("argument or option", "default", "meaning"), rows) if rows else ""
    return f"\n## {name}\n\n{_plain(command.help)}\n\n```text\n{usage}\n```\n\n{listed}\n"


def _placeholder(argument: Any) -> str:
    name = argument.metavar or str(argument.name).upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _names(option: Any) -> str:
    names = ", ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {code(option.metavar or str(option.name).strip('_').upper())}"


def _default(option: Any) -> str:
    return "" if option.is_flag or option.default in (None, ()) else str(option.default)


def _plain(text: str | None) -> str:
    """A text of the help without the escapes of rich."""
    return " ".join((text or "").replace("\\[", "[").split())
