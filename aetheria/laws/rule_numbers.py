"""Numbers of rules and their digits."""

import re

from aetheria.core.errors import ConfigError


def digits(number: int, base: int, count: int) -> list[int]:
    """The lowest `count` digits of a number in a base, the lowest first."""
    found = []
    for _ in range(count):
        number, digit = divmod(number, base)
        found.append(digit)
    return found


def parse_number(given: int | str, where: str, name: str, base: int, places: int) -> int:
    """The number of a rule: a whole number, or a text of digits with or without a W before them.

    Raises:
        ConfigError: it is none, or has more than `places` digits in this base.
    """
    text = str(given)
    found = None if isinstance(given, bool) else re.fullmatch(r"[Ww]?(\d{1,100000})", text)
    number = _whole(found[1]) if found else None
    if number is None or number >= base**places:
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        most = f"{base**places - 1}" if places * base.bit_length() < 128 else f"{base}^{places} - 1"
        raise ConfigError(f'{where} {name}: "{shown}" given; expected a whole number from 0 to {most}')
    return number


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # Python reads no more than some thousand digits
        return None
