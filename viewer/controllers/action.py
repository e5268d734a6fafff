"""An entry of the table of actions. No Qt."""

from dataclasses import dataclass
from typing import Literal

# The source that must be open: any; a run ("live"), or a recording. "run": one that can be started and stopped here, unlike a
# run that the user's own code steps; "stepped": a live one of these, here or on a server; "motor": a run of this process;
# "own": a run of this process that the viewer steps; "file": a recording on this machine; "phase": a run of complex
# amplitudes; "volume": a grid of three axes.
Needs = Literal["nothing", "source", "run", "live", "stepped", "phase", "recording", "volume", "motor", "own", "file"]


@dataclass(frozen=True)
class Action:
    """An action of the user.

    Attributes:
        name: path of its method; see the module.
        text: menu text, with & before the mnemonic.
        keys: shortcuts in Qt's notation, the displayed one first.
        menu: title of its menu.
        tip: one sentence for tooltips.
        needs: the kind of source it needs; see `why_unavailable`.
        checked: the attribute of the model that it toggles; empty for other actions.
    """

    name: str
    text: str
    keys: tuple[str, ...]
    menu: str
    tip: str
    needs: Needs = "source"
    checked: str = ""
