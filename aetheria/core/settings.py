"""Base class of settings: unknown keys are refused, and errors name the key."""

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from aetheria.core.errors import ConfigError, nearest


class Settings(BaseModel):
    """A table of settings: no unknown keys, no silent conversions, no nan or inf, immutable once read."""

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


def explain(model: type[BaseModel], error: ValidationError, values: Any, where: str) -> list[str]:
    """The errors of a validation of `values`, a line each, in the form `[grid] hieght: unknown key; ...`."""
    expected: dict[str, list[str]] = {}  # by place; a setting of several types has an error for each of them
    for detail in error.errors():
        place, wanted = _line(model, dict(detail), values, where)
        expected.setdefault(place, []).append(wanted)
    return [f"{place}{_alternatives(wanted)}" for place, wanted in expected.items()]


def _alternatives(wanted: list[str]) -> str:
    first, *others = dict.fromkeys(wanted)
    return " or ".join([first, *(other.removeprefix("must be ") for other in others)])


def _line(model: type[BaseModel], detail: dict[str, Any], values: Any, where: str) -> tuple[str, str]:
    """(place and value, the values expected) of one error."""
    path = _path(detail, values)
    table, key = path[:-1], path[-1] if path else ""
    place = f"[{'.'.join([where, *table]) if where else '.'.join(table) or 'config'}]" + (f" {key}:" if key else "")
    match detail["type"]:
        case "extra_forbidden":
            known = list(_table(model, table).model_fields)
            return f"{place} unknown key; ", nearest(key, known)
        case "missing":
            field = _table(model, table).model_fields.get(key)
            example = f", as in {field.examples[0]}" if field and field.examples else ""
            return f"{place} missing; ", f"this key is required{example}"
        case _:
            said = re.sub(r"^(\w+) should ", "must ", str(detail["msg"]).removeprefix("Value error, "))
            said = said.replace(" after validation", "")
            said = re.sub(r"be a valid dictionary( or instance of \w+)?", "be a table", said)
            return f"{place} {_shown(detail['input'])} given; ", said


def _path(detail: dict[str, Any], values: Any) -> list[str]:
    """The keys that lead to the value of an error, without the names that pydantic adds for the types of a union."""
    path = []
    for part in detail["loc"]:
        if (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        ):
            values = values[part]
        elif detail["type"] != "missing" or part != detail["loc"][-1]:
            continue
        path.append(str(part))
    return path


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    try:
        given = repr(value)
    except ValueError:  # a whole number of thousands of digits
        given = "a very long number"
    return given if len(given) <= 60 else given[:57] + "..."


def _table(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The settings class that `path` leads to, as far as it can be followed."""
    for part in path:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model
