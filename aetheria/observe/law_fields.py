"""The fields of one law: those of every law with its states and colours, and its own."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from aetheria.laws.base import Colour, Law
from aetheria.laws.law_field import LawField
from aetheria.observe.fields import FIELDS, Field, View, get_field
from aetheria.observe.measure_fields import MEASURES


def known_fields(law: Law) -> dict[str, Field]:
    """All fields by base name, as they are for this law; `law.fields` names those that it offers."""
    known = FIELDS | MEASURES
    if law.states is not None:
        colours = known["state"].colour_map if law.palette is None else colours_of(law.palette)
        known["state"] = replace(known["state"], range=(0, law.states - 1), colour_map=colours)
        known["count"] = replace(known["count"], components=law.states)
    return known | {own.name: _own(law, own) for own in law.own_fields}


def field_of(law: Law, name: str, rank: int = 3) -> Field:
    """The field of a law on a grid with `rank` axes, or a measure, by name. Raises ConfigError when it offers no such field."""
    return get_field(name, law.d_state, law.channels, (*law.fields, *MEASURES), rank, known_fields(law))


def colours_of(palette: Sequence[Colour]) -> str:
    """A palette as the text that `colour_map` reads."""
    return " ".join("#" + bytes(colour).hex() for colour in palette)


def _own(law: Law, own: LawField) -> Field:
    return Field(
        own.name,
        own.meaning,
        own.unit,
        own.range,
        partial(_computed, law, own),
        scalar=own.scalar,
        local=own.local,
        summed=own.summed,
        cyclic=own.cyclic,
        colour_map=own.colour_map,
    )


def _computed(law: Law, own: LawField, view: View, _: int) -> Tensor:
    return own.compute(law, view.cells, view.sums) if own.summed else own.compute(law, view.cells)
