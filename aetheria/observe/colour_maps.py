"""Colour maps: 256 colours each, computed in OKLCH so that equal steps look equal, or well known; and palettes of whole states.

Sources: of the colour space B. Ottosson, "A perceptual color space for image processing", 2020; of viridis, magma, inferno and
plasma S. van der Walt, N. Smith, E. Firing, 2015; of cividis J. Nunez, C. Anderton, R. Renslow, PLOS ONE 13(7), 2018; of
twilight B. Bechtold, 2016.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, nearest

# Each map: lightness, chroma and hue (degrees) at equally spaced points from low to high.
_PATHS: dict[str, tuple[list[float], list[float], list[float]]] = {
    "ember": ([0.10, 0.32, 0.50, 0.66, 0.82, 0.97], [0.02, 0.13, 0.19, 0.18, 0.15, 0.06], [290, 310, 355, 400, 440, 465]),
    "ice": ([0.10, 0.32, 0.50, 0.66, 0.82, 0.97], [0.02, 0.10, 0.13, 0.12, 0.09, 0.03], [285, 270, 250, 225, 200, 190]),
    "grey": ([0.0, 1.0], [0.0, 0.0], [0, 0]),
    "phase": ([0.72] * 9, [0.125] * 9, list(np.linspace(0, 360, 9))),
    "balance": ([0.85, 0.55, 0.18, 0.55, 0.85], [0.09, 0.15, 0.0, 0.15, 0.10], [225, 255, 320, 390, 425]),
}
_KNOWN = dict(line.split() for line in Path(__file__).with_name("known_maps.txt").read_text("ascii").splitlines())  # sRGB
_SAME = {"gray": "grey"}
COLOUR_MAPS = (*_PATHS, *_KNOWN)


@cache
def colour_map(name: str) -> NDArray[np.uint8]:
    """The colours `(256, 3)`, sRGB, of a map.

    Args:
        name: "ember", "ice", "grey" or "gray", "viridis", "magma", "inferno", "plasma", "cividis" (rising lightness), "phase",
            "twilight" (cyclic), "balance" (dark at the middle), or a palette of states: their colours, as in
            "#101018 #ffffff #c00000".

    Raises:
        ConfigError: no such map.
    """
    if name.startswith("#"):
        return _palette(name)
    name = _SAME.get(name, name)
    if name in _KNOWN:
        return np.frombuffer(bytes.fromhex(_KNOWN[name]), np.uint8).reshape(256, 3)
    if name not in _PATHS:
        raise ConfigError(f'colour_map: "{name}" given; {nearest(name, list(COLOUR_MAPS))}')
    cyclic = name == "phase"
    t = np.linspace(0, 1, 256, endpoint=not cyclic)
    lightness, chroma, hue = (np.interp(t, np.linspace(0, 1, len(path)), path) for path in _PATHS[name])
    colours = _srgb(lightness, chroma, np.deg2rad(hue))
    colours.setflags(write=False)
    return colours


def _palette(text: str) -> NDArray[np.uint8]:
    """A table in which the states 0 .. n - 1, as values between the levels 0 and n - 1, have the n colours."""
    parts = text.split()
    if not 2 <= len(parts) <= 256 or not all(re.fullmatch(r"#[0-9a-fA-F]{6}", part) for part in parts):
        raise ConfigError(f'colour_map: "{text}" given; expected 2 to 256 colours, as in "#101018 #ffffff #c00000"')
    colours = np.array([list(bytes.fromhex(part[1:])) for part in parts], np.uint8)
    table = colours[np.round(np.arange(256) * (len(parts) - 1) / 255).astype(int)]
    table.setflags(write=False)
    return table


def with_gamma(name: str, gamma: float) -> NDArray[np.uint8]:
    """The colours of a map at the powers `gamma` of their places: below 1 low values become lighter. Of states as they are."""
    if gamma == 1 or name.startswith("#"):
        return colour_map(name)
    return colour_map(name)[np.round(255 * (np.arange(256) / 255) ** gamma).astype(int)]


def paint(
    values: NDArray[np.generic], levels: tuple[float, float], name: str, *, log: bool = False, gamma: float = 1.0
) -> NDArray[np.uint8]:
    """Colours `(h, w, 3)` of values `(h, w)`: `levels` become the ends of the map, values beyond them its end colours.

    Args:
        log: colours by the logarithm of the values; both levels are above 0.
        gamma: see `with_gamma`.
    """
    low, high = levels
    numbers = values.astype(np.float64)
    if log:
        numbers, low, high = np.log(np.maximum(numbers, low)), np.log(low), np.log(high)
    share = (numbers - low) / (high - low)
    return with_gamma(name, gamma)[np.clip(share * 256, 0, 255).astype(np.uint8)]


def _srgb(lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]) -> NDArray[np.uint8]:
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = np.stack(
        (
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ),
        -1,
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(cones**3 @ to_linear.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(encoded * 255), np.uint8)
