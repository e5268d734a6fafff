"""Values that a law's cells may have: one rule for arrays, pictures and files.

Values that the law's cells can have are taken as they are. An array of bytes (uint8) with others is a picture, whose 255 is the
law's highest value; that is logged. Everything else is refused.
"""

import math
from collections.abc import Callable, Iterable
from functools import cache

import torch
from torch import Tensor

from aetheria.core.errors import StateError
from aetheria.core.printable import get_logger
from aetheria.laws.base import Law
from aetheria.motor.cells import as_tensor

log = get_logger(__name__)
_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)  # in which torch computes little
_ROUNDING = 1e-5  # by which values may leave the law's range


def law_values(given: object, law: Law, where: str) -> Tensor:
    """Numbers of any kind, as values of the law's cells; NaN, Inf and complex numbers are left to `checked_cells`.

    Args:
        given: a tensor, an array or nested lists.
        where: name of the source, for messages.

    Raises:
        StateError: no array of numbers, or values that the law's cells cannot have.
    """
    values = as_tensor(given)
    if values.is_complex() or not values.numel():
        return values
    return values_reader([values], law, where)(values)


def values_reader(pieces: Iterable[Tensor], law: Law, where: str) -> Callable[[Tensor], Tensor]:
    """Makes values of the law's cells of real numbers, or of any part of them.

    Args:
        pieces: all numbers, in pieces of one type; of a large file one after the other.
        where: name of the source, for messages.

    Raises:
        StateError: values that the law's cells cannot have.
    """
    wrong, picture = _seen(pieces, law)
    if wrong is None:
        return _supported
    if picture:
        share = _top(law) / 255
        _say(f"{where}: bytes of 0 to 255 given, read as a picture: 255 is {_top(law):g}, the highest value of {law.name}")
        return lambda values: values.float() * share
    raise StateError(f"{where}: cells of {wrong:g} given; {wanted_values(law)}")


def _supported(values: Tensor) -> Tensor:
    return values.double() if values.dtype in _UNSIGNED else values


def wanted_values(law: Law) -> str:
    """The end of an error message: the values that the law's cells can have."""
    if law.states is not None:
        return f"{law.name} has the states " + ("0 and 1" if law.states == 2 else f"0 to {law.states - 1}")
    low, high = law.value_range
    ends = (f"from {low:g}" if low is not None else "", f"to {high:g}" if high is not None else "")
    return f"{law.name} has values {' '.join(filter(None, ends))}"


def dead_or_alive(brightness: Tensor, law: Law, where: str) -> Tensor:
    """Brightness of 0 to 1 as the states 0 and 1, live above a half, with a word on greys; unchanged for real values."""
    if law.states is None:
        return brightness
    alive = (brightness > 0.5).to(brightness.dtype)
    if not torch.equal(alive, brightness):
        _say(f"{where}: has greys; cells brighter than half are alive, for {law.name} has whole states")
    return alive


def _seen(pieces: Iterable[Tensor], law: Law) -> tuple[float | None, bool]:
    """A value that the law's cells cannot have, or None; and whether all values are bytes that a picture of its cells has."""
    low, high = (0, law.states - 1) if law.states is not None else law.value_range
    if low is None and high is None:
        for _ in pieces:
            pass  # which may be refused where they are read
        return None, False
    least, most, between, picture = math.inf, -math.inf, None, True
    for values in map(_supported, pieces):
        ends = (0.0, 1.0) if values.dtype == torch.bool else tuple(map(float, values.aminmax()))
        if not all(map(math.isfinite, ends)):
            return None, False
        least, most = min(least, ends[0]), max(most, ends[1])
        if law.states is not None and between is None and values.is_floating_point():
            parts = values != values.round()
            between = float(values[parts][0]) if parts.any() else None
        picture = picture and values.dtype == torch.uint8 and _scalable(values, law)
    slack = 0 if law.states is not None or low is None or high is None else _ROUNDING * (high - low)
    if low is not None and least < low - slack:
        return least, picture
    if high is not None and most > high + slack:
        return most, picture
    return between, picture


def _scalable(values: Tensor, law: Law) -> bool:
    if law.states is None:
        return law.value_range[0] == 0 and law.value_range[1] is not None
    return law.states == 2 and bool(((values == 0) | (values == 255)).all())


def _top(law: Law) -> float:
    return float(law.value_range[1] or 1) if law.states is None else law.states - 1.0


@cache
def _say(message: str) -> None:
    """Logs a message once."""
    log.warning(message)
