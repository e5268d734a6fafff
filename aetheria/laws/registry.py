"""The laws by name: registration, plugins of installed packages, and building one from the table of a config."""

import inspect
import re
import warnings
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar, get_args

import torch
from pydantic import PydanticSchemaGenerationError, TypeAdapter, create_model
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from aetheria.core.device import memory_named
from aetheria.core.errors import AetheriaError, ConfigError, LawError, nearest
from aetheria.core.settings import Settings
from aetheria.laws.base import Law
from aetheria.laws.weights import read_weights

LawClass = TypeVar("LawClass", bound=type[Law])

LAWS: dict[str, type[Law]] = {}
ENTRY_POINTS = "aetheria.laws"
_LARGEST_SMALL = 1 << 22  # numbers that do no harm

# Headings of the folders of laws.
_FAMILIES = {
    "discrete": "Discrete",
    "physics": "Physics",
    "continuous": "Continuous",
    "neural": "Neural",
    "quantum": "Quantum",
}
_OTHERS = "Registered"
# Order of display: these first, then all others by module.
_FIRST = ("MLP", "DEEP_QCA", "UNet", "ConvLSTM", "GrowingNCA", "NeuralCA", "Life", "Lenia")


def register(law: LawClass) -> LawClass:
    """Class decorator: enters a law into `LAWS` under the name of its class.

    Raises:
        ValueError: a law of another module has this name, in any case.
    """
    for known in [known for known in LAWS if known.lower() == law.__name__.lower()]:
        if LAWS[known].__module__ != law.__module__:
            raise ValueError(f"law {law.__name__} of {law.__module__}: {LAWS[known].__module__} has a law of this name")
        del LAWS[known]  # the same module once more, as in a notebook
    listed: list[type[Law]] = [*LAWS.values(), law]
    listed.sort(key=_place)
    LAWS.clear()
    LAWS.update((each.__name__, each) for each in listed)
    return law


def _place(law: type[Law]) -> tuple[int, str, str]:
    name = law.__name__
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), law.__module__, name.lower()


def family_of(law: type[Law]) -> str:
    """The heading under which a law is listed: of Aetheria's own that of their folder, else "Registered"."""
    package, _, rest = law.__module__.partition("aetheria.laws.")
    return _FAMILIES.get(rest.partition(".")[0], _OTHERS) if not package else _OTHERS


def laws_by_family() -> dict[str, list[type[Law]]]:
    """The registered laws under their headings, in the order in which they are shown."""
    found: dict[str, list[type[Law]]] = {heading: [] for heading in (*_FAMILIES.values(), _OTHERS)}
    for law in LAWS.values():
        found[family_of(law)].append(law)
    return {heading: laws for heading, laws in found.items() if laws}


def plugins() -> dict[str, EntryPoint]:
    """The laws of installed packages, from the entry-point group `aetheria.laws`; nothing is imported."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def knows(name: str) -> bool:
    """Whether there is a law called `name`, as `find_law` compares names."""
    return any(plain(known) == plain(name) for plain in (str.lower, _plain_name) for known in (*LAWS, *plugins()))


def find_law(name: str) -> Any:
    """The class (or factory) of the law called `name`: Aetheria's own, then registered ones.

    Case does not matter, nor do `-`, `_` and spaces where no name is equal without them.

    Raises:
        ConfigError: no such law; names the closest.
    """
    for plain in (str.lower, _plain_name):
        for known, law in LAWS.items():
            if plain(known) == plain(name):
                return law
        for known, point in plugins().items():
            if plain(known) == plain(name):
                return _loaded(point)
    raise ConfigError(f'[law] name: "{name}" given; {nearest(name, [*LAWS, *plugins()])}')


def _plain_name(name: str) -> str:
    """A name without case, `-`, `_` and spaces, as in "growingnca"."""
    return re.sub(r"[-_\s]", "", name).lower()


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # importing a package can raise anything
        raise ConfigError(
            f'[law] name: "{point.name}" is registered as {point.value}, which cannot be imported: '
            f"{type(error).__name__}: {error}"
        ) from error


def parameters(law: Any) -> dict[str, inspect.Parameter]:
    """The named parameters that a law's table may set, from its constructor."""
    return {
        name: p for name, p in inspect.signature(law).parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def choices(law: Any, parameter: str) -> tuple[Any, ...]:
    """The values that a parameter of a law may have, where its annotation lists them; else empty."""
    return get_args(_settings_of(law).model_fields[parameter].annotation)


def build_law(name: str, *, seed: int = 0, weights: str | Path | None = None, **settings: Any) -> nn.Module:
    """Builds the law called `name`.

    Args:
        seed: of the random starting weights.
        weights: file to load them from instead.
        settings: the law's own parameters; of those left out, the ones that the file of weights states are taken from there.

    Raises:
        ConfigError: an unknown law or parameter, or a value of the wrong type or range.
        FileUnreadableError, LawError: weights that cannot be read or do not fit.
    """
    law_class = find_law(name)
    where = f"law.{law_class.__name__.lower()}"
    file = None if weights is None else read_weights(weights)
    limit: AbstractContextManager[Any] = nullcontext()
    stated = file.parameters(law_class.__name__) if file is not None else {}
    if file is not None and stated.keys() - settings.keys():
        # A law's numbers are made several times while it is built; a file may not make it more than some times its size.
        limit = _AtMost(64 * file.numbers + _LARGEST_SMALL, f"{file.path}: {where}")
        checked_parameters(law_class, stated | settings, f"{file.path}: {where}")
    given = checked_parameters(law_class, stated | settings, where)
    with torch.random.fork_rng(devices=[]), limit:
        torch.manual_seed(seed)
        try:
            with memory_named(f"[{where}]"):
                law: nn.Module = law_class(**given)
        except AetheriaError:
            raise
        except Exception as error:  # raised by the law itself, or by torch for a size it cannot build
            raise ConfigError(f"[{where}] cannot be built: {type(error).__name__}: {error}") from error
    if file is not None:
        law.load_state_dict(file.fitting(law))
    return law


def checked_parameters(law_class: Any, settings: dict[str, Any], where: str) -> dict[str, Any]:
    """The parameters of a law or another factory, checked against its signature. Raises ConfigError."""
    checked = _settings_of(law_class).checked(settings, where)
    return {key: getattr(checked, key) for key in checked.model_fields_set}


class _AtMost(TorchFunctionMode):
    """Ends the building of a law by parameters from a file that make it far larger than the weights in that file."""

    def __init__(self, numbers: int, where: str) -> None:
        super().__init__()
        self._left, self._where = numbers, where

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):  # made, but not yet written to: memory is taken when it is
            self._left -= result.numel()
            if self._left < 0:
                raise LawError(f"{self._where}: its parameters make a law far larger than its weights")
        return result


def _settings_of(law_class: Any) -> type[Settings]:
    try:
        hints = inspect.get_annotations(law_class.__init__ if inspect.isclass(law_class) else law_class, eval_str=True)
    except Exception:  # noqa: BLE001 - annotations that cannot be evaluated check nothing
        hints = {}
    fields: dict[str, Any] = {
        name: (_plain(hints.get(name, Any)), ... if p.default is p.empty else p.default)
        for name, p in parameters(law_class).items()
    }
    with warnings.catch_warnings():
        # A parameter may have the name of a method of pydantic's models (`copy`), which is not used here.
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        return create_model(f"{law_class.__name__}Settings", __base__=Settings, **fields)


def _plain(hint: Any) -> Any:
    """The annotation, or Any where no TOML value could be checked against it (a module, a dtype)."""
    try:
        TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return Any
    return hint
