"""Base class of settings: unknown keys are refused, and errors name the key."""

import re
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
            raise ConfigError(*explain(cls, error, where)) from None


def explain(model: type[BaseModel], error: ValidationError, where: str) -> list[str]:
    """The errors of a validation, a line each, in the form `[grid] hieght: unknown key; ...`."""
    return [_line(model, dict(detail), where) for detail in error.errors()]


def _line(model: type[BaseModel], detail: dict[str, Any], where: str) -> str:
    path = [str(part) for part in detail["loc"]]
    table, key = path[:-1], path[-1] if path else ""
    place = f"[{'.'.join([where, *table]) if where else '.'.join(table) or 'config'}]"
    match detail["type"]:
        case "extra_forbidden":
            known = list(_table(model, table).model_fields)
            return f"{place} {key}: unknown key; {nearest(key, known)}"
        case "missing":
            return f"{place} {key}: missing; this key is required"
        case _:
            said = re.sub(r"^(\w+) should ", "must ", str(detail["msg"]).removeprefix("Value error, "))
            said = said.replace(" after validation", "")
            said = re.sub(r"be a valid dictionary( or instance of \w+)?", "be a table", said)
            given = _shown(detail["input"])
            return f"{place} {key}: {given} given; {said}"


def _shown(value: Any) -> str:
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
