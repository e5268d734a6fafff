"""Values that a law's cells may have: one rule for arrays, pictures and files.

Values that the law's cells can have are taken as they are. An array of bytes (uint8) with others is a picture, whose 255 is the
law's highest value; that is logged. Everything else is refused.
"""

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
    if values.dtype in _UNSIGNED:
        values = values.double()
    wrong = _wrong(values, law)
    if wrong is None:
        return values
    if values.dtype == torch.uint8 and _scalable(values, law):
        _say(f"{where}: bytes of 0 to 255 given, read as a picture: 255 is {_top(law):g}, the highest value of {law.name}")
        return values.float() * (_top(law) / 255)
    raise StateError(f"{where}: cells of {wrong:g} given; {wanted_values(law)}")


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


def _wrong(values: Tensor, law: Law) -> float | None:
    """A value that the law's cells cannot have, or None."""
    low, high = (0, law.states - 1) if law.states is not None else law.value_range
    if low is None and high is None:
        return None
    least, most = (float(end) for end in values.aminmax()) if values.dtype != torch.bool else (0.0, 1.0)
    if not least - most <= 0 or abs(least) == float("inf") or most == float("inf"):  # NaN compares with nothing
        return None
    slack = 0 if law.states is not None or low is None or high is None else _ROUNDING * (high - low)
    if low is not None and least < low - slack:
        return least
    if high is not None and most > high + slack:
        return most
    if law.states is not None and values.is_floating_point():
        parts = values != values.round()
        return float(values[parts][0]) if parts.any() else None
    return None


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
