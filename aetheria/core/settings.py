"""Base class of settings: unknown keys are refused, and errors name the key."""

import re
from typing import Any, Self, get_args

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
            raise ConfigError("\n".join(explain(cls, error, where, cls.places(values)))) from None

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


def explain(
    model: type[BaseModel], error: ValidationError, where: str, places: dict[str, list[str]] | None = None
) -> list[str]:
    """The errors of a validation, a line each, in the form `[grid] hieght: unknown key; ...`.

    Args:
        places: of known keys; see `Settings.places`.
    """
    details: list[dict[str, Any]] = [dict(detail) for detail in error.errors()]
    lines: list[str] = []
    done: set[tuple[int | str, ...]] = set()
    for detail in details:
        place = detail["loc"][:-1]
        alternatives = [other for other in details if _one_of(other) and other["loc"][:-1] == place]
        if _one_of(detail) and len(alternatives) > 1:  # a union: an error for each of its types
            if place not in done:
                wanted = " or ".join(map(_wanted, alternatives))
                lines.append(_line(model, {**detail, "loc": place, "msg": f"must be {wanted}"}, where, places or {}))
            done.add(place)
        else:
            lines.append(_line(model, detail, where, places or {}))
    return lines


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "list": "a list",
    "dict": "a table",
}


def _one_of(detail: dict[str, Any]) -> bool:
    """Whether this may be the error of one type of a union, whose name pydantic adds to the place."""
    return detail["loc"][-1] in _WORDS


def _wanted(detail: dict[str, Any]) -> str:
    wrong_type = str(detail["type"]).endswith(("_type", "_from_float", "_parsing"))
    return _WORDS[detail["loc"][-1]] if wrong_type else str(detail["msg"]).removeprefix("Input should be ")


def _line(model: type[BaseModel], detail: dict[str, Any], where: str, places: dict[str, list[str]]) -> str:
    path = [str(part) for part in detail["loc"]]
    table, key = path[:-1], path[-1] if path else ""
    place = f"[{'.'.join([where, *table]) if where else '.'.join(table) or 'config'}]"
    match detail["type"]:
        case "extra_forbidden":
            known = nearest(key, list(_table(model, table).model_fields))
            elsewhere = [found for found in places.get(key, []) if found != ".".join([*table, key])]
            if elsewhere and not known.startswith("did you mean"):
                known = f"did you mean {' or '.join(elsewhere)}? ({known})"
            return f"{place} {key}: unknown key; {known}"
        case "missing":
            return f"{place} {key}: missing; this key is required"
        case _:
            said = re.sub(r"^(\w+) should ", "must ", str(detail["msg"]).removeprefix("Value error, "))
            said = said.replace(" after validation", "")
            said = re.sub(r"be a valid dictionary( or instance of \w+)?", "be a table", said)
            return f"{place} {key}: {_shown(detail['input'])} given; {said}"


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
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            break
        model = inner
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings class in an annotation such as `Initial | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)
