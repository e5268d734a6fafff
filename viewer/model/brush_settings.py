"""How the brush paints. No Qt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BrushSettings:
    """How the brush in hand paints.

    Attributes:
        size: diameter in cells.
        strength: 0 to 1; how much of what was there is replaced, or for random cells of two states how many live.
        charge: of a vortex: how often the phase winds round, positive where it grows counter-clockwise.
        wavelength: of a plane wave, in cells.
        angle: of a plane wave, in degrees from the x axis upwards.
        pattern: name of the pattern that is stamped; empty for the first one.
        turns: quarter turns of the pattern, after it was mirrored.
        mirrored: left and right of the pattern are exchanged.
        everywhere: all universes are painted, not only the one that is shown.
    """

    size: int = 8
    strength: float = 1.0
    charge: int = 1
    wavelength: float = 16.0
    angle: float = 0.0
    pattern: str = ""
    turns: int = 0
    mirrored: bool = False
    everywhere: bool = False
