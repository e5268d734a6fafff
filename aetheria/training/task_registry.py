"""The objectives by name: Aetheria's own, registered ones, and those of installed packages."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from aetheria.core.device import memory_named
from aetheria.core.errors import AetheriaError, ConfigError, nearest
from aetheria.laws.base import Law
from aetheria.laws.registry import checked_parameters
from aetheria.training.task import FunctionTask, Loss, Task, is_task

ENTRY_POINTS = "aetheria.objectives"
Factory = Callable[..., Task]  # (law, grid, **parameters)
Objective = str | type[Task] | Loss
Thing = TypeVar("Thing", bound=type[Task] | Loss)

_REGISTERED: dict[str, Any] = {}
# Imported when they are named: some need optional packages.
_OWN = {
    "rule": "aetheria.training.objectives.rule:Rule",
    "arc_1d": "aetheria.training.objectives.arc_1d:Arc1D",
    "texture": "aetheria.training.objectives.texture:Texture",
    "goals": "aetheria.training.objectives.goals:Goals",
    "classify": "aetheria.training.objectives.cell_labels:Classify",
    "segment": "aetheria.training.objectives.cell_labels:Segment",
    "diffuse": "aetheria.training.objectives.diffuse:Diffuse",
    "untargeted": "aetheria.training.objectives.untargeted:Untargeted",
    "restore": "aetheria.training.objectives.restore:Restore",
}


def register_objective(name: str) -> Callable[[Thing], Thing]:
    """Decorator: a `Task`, or a loss `(cells, batch) -> scalar`, that configs of this process can name."""

    def registered(thing: Thing) -> Thing:
        _REGISTERED[name] = thing
        return thing

    return registered


def objective_names() -> list[str]:
    """The names that a config may use."""
    return [*_OWN, *_REGISTERED, *_plugins()]


def build_task(objective: Objective, law: Law, grid: tuple[int, ...], settings: dict[str, Any]) -> Task:
    """The task of an objective for a law.

    Args:
        objective: a name, a subclass of `Task`, or a loss `(cells, batch) -> scalar`.
        settings: parameters of the objective.

    Raises:
        ConfigError: an unknown name or parameter, or a value of the wrong type or range; whatever the task itself raises.
    """
    factory = _factory(objective)
    given = checked_parameters(factory, settings, "objective")
    try:
        with memory_named("[objective]"):
            return factory(law, grid, **given)
    except AetheriaError:
        raise
    except Exception as error:  # raised by a task of another package
        raise ConfigError(f"[objective] cannot be built: {type(error).__name__}: {error}") from error


def import_objective(text: str) -> Any:
    """The objective `module:name`, for people who state their own code: of a config this is never called.

    Raises:
        ConfigError: another form, or a module or name that cannot be imported.
    """
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise ConfigError(f"objective: {text} given; expected module:name, as in my_package.tasks:sharpen")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing a module can raise anything
        raise ConfigError(f"objective: {text}: cannot be imported: {type(error).__name__}: {error}") from error
    return found


def _factory(objective: Objective) -> Factory:
    thing: Any = _find(objective) if isinstance(objective, str) else objective
    if is_task(thing):
        return thing
    if not callable(thing) or isinstance(thing, type):
        raise ConfigError(f"objective: {thing!r} given; expected a subclass of Task, or a function (cells, batch) -> scalar")

    def of_function(law: Law, grid: tuple[int, ...], /) -> Task:
        return FunctionTask(law, grid, function=thing)

    return of_function


def _find(name: str) -> Any:
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name in _OWN:
        return import_objective(_OWN[name])
    if ":" in name:
        raise ConfigError(
            f'[train] objective: "{name}" given; a config names no code: register it under the entry-point group '
            f"{ENTRY_POINTS}, or state it as `aetheria train --objective {name}`"
        )
    plugins = _plugins()
    if name in plugins:
        try:
            return plugins[name].load()
        except Exception as error:  # importing a package can raise anything
            raise ConfigError(
                f'[train] objective: "{name}" is registered as {plugins[name].value}, which cannot be imported: '
                f"{type(error).__name__}: {error}"
            ) from error
    raise ConfigError(f'[train] objective: "{name}" given; {nearest(name, objective_names())}')


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
