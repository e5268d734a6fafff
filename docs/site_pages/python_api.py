"""Reference of the Python interface: the public names by room; mkdocstrings fills in the docstrings."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import aetheria

# Packages of which every name in `__all__` is public, besides aetheria itself.
WHOLE = ("aetheria.plot", "aetheria.training")
# Public names outside the package's own list, by their modules.
MORE = {
    "aetheria.laws": ("find_law", "parameters", "plugins", "register"),
    "aetheria.laws.law_field": ("LawField",),
    "aetheria.observe.feed": ("Subscription",),
    "aetheria.observe.frame": ("Frame",),
    "aetheria.runs.checkpoint": ("Checkpoints", "newest_checkpoint"),
    "aetheria.runs.config": ("RunConfig", "load_config"),
    "aetheria.runs.replay": ("replay",),
    "aetheria.runs.resume": ("resume",),
    "aetheria.runs.run": ("RunResult", "build_motor", "run"),
    "aetheria.runs.verify": ("verify",),
    "aetheria.sweep.results": ("ResultTable", "load"),
    "aetheria.training.grow": ("grow",),
    "viewer": ("show",),
}
_TITLES = {
    "core": "Errors and limits",
    "laws": "Laws: building and writing them",
    "motor": "The motor",
    "observe": "Frames and subscriptions",
    "recording": "Recordings",
    "plot": "Plots",
    "runs": "Runs, from configs and in one call",
    "sweep": "Tables of sweeps",
    "training": "Training",
    "viewer": "The viewer",
}


def api_pages() -> dict[str, Callable[[], str]]:
    """A page for each room with public names, and an index."""
    rooms = public_names()
    pages: dict[str, Callable[[], str]] = {f"reference/python/{room}.md": partial(_page, room, rooms[room]) for room in rooms}
    return {"reference/python/index.md": partial(_index, rooms), **pages}


def public_names() -> dict[str, dict[str, str]]:
    """For each room its public names, with the dotted path of the definition."""
    found: dict[str, dict[str, str]] = {}
    wanted = [(name, getattr(aetheria, name)) for name in dir(aetheria) if name != "__version__"]
    for module in WHOLE:
        package: Any = import_module(module)
        wanted += [(name, getattr(package, name)) for name in package.__all__]
    for module, names in MORE.items():
        wanted += [(name, getattr(import_module(module), name)) for name in names]
    for name, value in wanted:
        module = getattr(value, "__module__", "aetheria.laws.registry")  # LAWS is a dictionary
        if module.startswith(("aetheria.", "viewer")) and module != "aetheria.laws.registry.LAWS":
            found.setdefault(_room(module, value), {})[name] = f"{module}.{getattr(value, '__qualname__', name)}"
    return dict(sorted(found.items()))


def _room(module: str, value: Any) -> str:
    package, *rooms = module.split(".")
    if package == "viewer":
        return "viewer"
    if rooms[0] == "stepping":
        return "training"  # the training step in C++
    registered = getattr(value, "__name__", "") in aetheria.LAWS
    return f"laws_{rooms[1]}" if registered else rooms[0]


def _title(room: str) -> str:
    family = room.removeprefix("laws_")
    return _TITLES.get(room) or (f"Laws: {family}" if family != room else room.title())


def _page(room: str, names: dict[str, str]) -> str:
    return f"# {_title(room)}\n\n" + "\n".join(map(_entry, sorted(names.values(), key=lambda path: path.rpartition(".")[2])))


def _entry(path: str) -> str:
    """What mkdocstrings replaces by the docstrings of a name; the motor with the methods that it inherits."""
    more = "    options:\n      inherited_members: true\n" if path.endswith(".Aetheria_Motor") else ""
    return f"::: {path}\n{more}"


def _index(rooms: dict[str, dict[str, str]]) -> str:
    page = "# Python\n\nThe public names. Those marked with a star come from `import aetheria` itself.\n"
    own = set(dir(aetheria))
    for room, names in rooms.items():
        page += f"\n**[{_title(room)}]({room}.md)**: "
        page += ", ".join(f"[{name}]({room}.md#{path})" + "*" * (name in own) for name, path in sorted(names.items())) + "\n"
    return page
