"""Base class of settings: unknown keys are refused, and errors name the key."""

import re
from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from aetheria.core.errors import ConfigError, nearest


class Settings(BaseModel):
    """A table of settings: no unknown keys, no silent conversions, no nan or inf, immutable once read.

    The docstring of each class says in "Attributes:" what its keys mean; for a number its unit stands at the end in brackets,
    as in [steps], [1] for none. The site's reference of the configs is made from these.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    @classmethod
    def checked(cls, values: Any, where: str) -> Self:
        """Reads `values` (a mapping) as these settings.

        Raises:
            ConfigError: with one line for each key that is unknown, missing or of the wrong kind, as "[where] key: ...".
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(*explain(cls, error, values, where)) from None

    @classmethod
    def places(cls, values: Any) -> dict[str, list[str]]:  # noqa: ARG003 - for settings that depend on others
        """For each known key its places in these settings, dotted, as in {"height": ["grid.height"]}; `values` may add some."""
        found: dict[str, list[str]] = {}
        for key, field in cls.model_fields.items():
            found.setdefault(key, []).append(key)
            inner = _model_in(field.annotation)
            if inner is not None and issubclass(inner, Settings):
                for below, dotted in inner.places(None).items():
                    found.setdefault(below, []).extend(f"{key}.{place}" for place in dotted)
        return found


def explain(model: type[Settings], error: ValidationError, values: Any, where: str) -> list[str]:
    """The errors of a validation of `values`, a line each, in the form `[grid] hieght: unknown key; ...`."""
    details: dict[tuple[str, ...], list[dict[str, Any]]] = {}  # by key; a value of several types has an error for each
    for detail in error.errors():
        details.setdefault(_path(dict(detail), values), []).append(dict(detail))
    places = model.places(values)
    return [_line(model, path, of_key, where, places) for path, of_key in details.items()]


def _path(detail: dict[str, Any], values: Any) -> tuple[str, ...]:
    """The keys that lead to the value of an error, without the names that pydantic adds for the types of a union."""
    path = []
    for part in detail["loc"]:
        if isinstance(values, Mapping):
            there = part in values
        else:
            there = isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        if there:
            values = values[part]
        elif detail["type"] != "missing" or part != detail["loc"][-1]:
            continue
        path.append(str(part))
    return tuple(path)


def _line(
    model: type[BaseModel], path: tuple[str, ...], details: list[dict[str, Any]], where: str, places: dict[str, list[str]]
) -> str:
    table, key = path[:-1], path[-1] if path else ""
    place = f"[{'.'.join([where, *table]) if where else '.'.join(table) or 'config'}]" + (f" {key}:" if key else "")
    detail = details[0]
    match detail["type"]:
        case "extra_forbidden":
            return f"{place} unknown key; {_known(model, path, places)}"
        case "missing":
            field = _table(model, table).model_fields.get(key)
            example = f", as in {field.examples[0]}" if field and field.examples else ""
            return f"{place} missing; this key is required{example}"
        case _:
            wanted = list(dict.fromkeys(map(_wanted, details)))
            if {_WORDS["int"], _WORDS["float"]} <= set(wanted):
                wanted.remove(_WORDS["int"])  # any number will do
            said = _said(detail) if len(details) == 1 else f"must be {' or '.join(wanted)}"
            return f"{place} {_shown(detail['input'])} given; {said}"


def _known(model: type[BaseModel], path: tuple[str, ...], places: dict[str, list[str]]) -> str:
    """The keys that an unknown one may stand for, in its table or in another."""
    known = nearest(path[-1], list(_table(model, path[:-1]).model_fields))
    elsewhere = [found for found in places.get(path[-1], []) if found != ".".join(path)]
    if elsewhere and not known.startswith("did you mean"):
        return f"did you mean {' or '.join(elsewhere)}? ({known})"
    return known


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "bool": "true or false",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
}


def _wanted(detail: dict[str, Any]) -> str:
    """The values expected by one type of a union."""
    found = re.fullmatch("([a-z]+)_(?:type|from_float|parsing)", detail["type"])
    return _WORDS.get(found[1], "") if found and found[1] in _WORDS else _said(detail).removeprefix("must be ")


def _said(detail: dict[str, Any]) -> str:
    said = re.sub(r"^(\w+) should ", "must ", str(detail["msg"]).removeprefix("Value error, "))
    said = said.replace(" after validation", "")
    return re.sub(r"be a valid dictionary( or instance of \w+)?", "be a table", said)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    try:
        given = repr(value)
    except ValueError:  # a whole number of thousands of digits
        given = "a very long number"
    return given if len(given) <= 60 else given[:57] + "..."


def _table(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel]:
    """The settings class that `path` leads to, as far as it can be followed."""
    for part in path:
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            break
        model = inner
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings class in an annotation such as `Initial | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)
