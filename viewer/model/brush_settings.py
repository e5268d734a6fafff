"""Settings of the brush. No Qt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BrushSettings:
    """Settings of the current brush.

    Attributes:
        size: diameter in cells.
        strength: 0 to 1, the weight of the painted values; for random two-state cells the share of live cells.
        state: the whole state that is drawn, in laws of several states.
        charge: winding number of a vortex, positive where the phase grows counter-clockwise.
        wavelength: of a plane wave, in cells.
        angle: of a plane wave, in degrees from the x axis upwards.
        pattern: name of the stamped pattern; empty for the first one.
        turns: quarter turns of the pattern, applied after mirroring.
        mirrored: the pattern is mirrored left to right.
        density: 0 to 1, the share of cells that a random fill of the selection sets to other values than rest.
        everywhere: paint in all universes, not only in the displayed one.
    """

    size: int = 8
    strength: float = 1.0
    state: int = 1
    charge: int = 1
    wavelength: float = 16.0
    angle: float = 0.0
    pattern: str = ""
    turns: int = 0
    mirrored: bool = False
    density: float = 0.5
    everywhere: bool = False
