"""Text of the help page, and lines of the shortcuts page. No Qt."""

from collections.abc import Iterable
from dataclasses import dataclass

from viewer.controllers.actions import MENUS, Action
from viewer.controllers.panel_texts import PANEL_TEXTS


@dataclass(frozen=True)
class ShortcutLine:
    """A line of the shortcuts page: action, keys and explanation."""

    text: str
    keys: tuple[str, ...]
    tip: str

    def mentions(self, words: str) -> bool:
        """Whether it contains every one of these words."""
        all_of_it = " ".join((self.text, *self.keys, self.tip)).lower()
        return all(word in all_of_it for word in words.lower().split())


MOUSE = (
    ShortcutLine("Zoom", ("Wheel", "Pinch"), "Zoom at the cursor"),
    ShortcutLine("Move", ("Left drag", "Middle drag"), "Move the view; with a brush, the middle button only"),
    ShortcutLine("Paint", ("Left drag",), "Paint, with a brush"),
    ShortcutLine("Erase", ("Right drag",), "Erase, with a brush"),
    ShortcutLine("Select", ("Left drag",), "Select a rectangle, with the selection tool; a click selects nothing"),
    ShortcutLine("Paste", ("Click",), "Paste the copied cells, after Ctrl+V; the right button puts them away"),
    ShortcutLine("Inspect a cell", ("Hover",), "Show the values of the cell under the cursor"),
)


def sections(actions: Iterable[Action], panels: Iterable[ShortcutLine]) -> dict[str, list[ShortcutLine]]:
    """All shortcuts by menu; the panels are in the Window menu, the mouse comes last."""
    found: dict[str, list[ShortcutLine]] = {menu: [] for menu in MENUS}
    for action in actions:
        found[action.menu].append(ShortcutLine(without_mnemonic(action.text), action.keys, action.tip))
    found["&Window"] = [*panels, *found["&Window"]]
    return {without_mnemonic(menu): lines for menu, lines in found.items() if lines} | {"Mouse on the cells": list(MOUSE)}


def without_mnemonic(text: str) -> str:
    """Menu text without its mnemonic mark."""
    return text.replace("&", "").removesuffix("...")


_PANELS = "\n".join(f"- **{panel.title}** (*{panel.key}*): {panel.shows}." for panel in PANEL_TEXTS.values())

PAGE = f"""
# The viewer

The large image is the **grid**: each cell of the automaton is a small square, coloured by its value. The law computes
the next value of every cell from the cells around it, all at once; that is one **step**. Most grids are periodic: the
right edge continues on the left, and the top edge at the bottom.

## Colours

The view shows one **field**: a quantity of each cell, for example its first channel, its density, or the phase of its
first amplitude. *N* shows the next field; the View panel lists all of them with their formulas.

![ember](map:ember) **ember**, and likewise **ice**, **grey**, **viridis**, **magma**, **inferno**, **plasma** and **cividis**:
from low (dark) to high (light).

![balance](map:balance) **balance**: for values of either sign; zero is dark, negative values blue, positive ones orange.

![phase](map:phase) **phase**, and likewise **twilight**: for angles; both ends have the same colour, because a full
turn is no turn.

![wheel](wheel:phase)

A **phase** is the direction of a complex amplitude: to the right at phase 0, up at a quarter turn, to the left at half a
turn. The wheel shows the colour of each direction. A point where all colours meet is a *vortex*: around it, the phase
turns once. All colours of this map are equally light; lightness has no meaning there.

*Show* in the View panel, or *Shift+C*, displays three fields as red, green and blue, or a blend of two.

Laws with colours of their own (the lizard, for example) are shown in them, over white, without levels and colour maps.

## One and three dimensions

A grid of one dimension is shown as a **space-time picture**: each row is a step (with a step scale above one, every so
many steps), and the newest is at the bottom. Brushes paint on the newest row. A grid of three dimensions is shown as a
**slice**: the bar under the cells selects its axis and index (*Shift+PgUp* and *Shift+PgDown*; *Shift+X* for the axis),
or the mean or maximum along the axis. Brushes paint on the slice.

## Levels

The values at the two ends of a colour map are its **levels**. *Automatic* (*A*) takes the range of the field, or the
lowest and highest visible value, so that the meaning of the colours changes during the run. *Percentile* (*P*) ignores
the outermost values, so that one extreme cell does not make all others look alike. *Locked* (*K*) keeps the present
levels: only then can images be compared. Further *Shift+A*: from the lowest to the highest visible value; *Shift+P*:
symmetric about zero; *Shift+K*: colours by the logarithm of the values. A *gamma* below 1 makes low values lighter.

## Status bar

- **step**: steps since the start. **steps/s** and **cells/s**: steps and cell updates in the last second.
- **frames/s**: frames shown in the last second. *Dropped* frames were due while the one before was still being drawn,
  and were not computed.
- **cpu** or **cuda**: the device, followed by the *plan*, the method of computing a step: *eager* runs the law as it is
  written; *compiled*, *fused*, *packed* and *graphed* are faster methods with the same result, prepared in the
  background.
- **transferred**: bytes per second that frames and recordings move off the device; zero while the window is minimised.

If the cells turn to NaN or infinity, the run pauses, and the last finite frame stays.

## Running

*Space* plays and pauses, *.* takes one step. The slider sets the steps per second; with a step scale above one (*]*
doubles it, *[* halves it) several steps are taken per update. *0* runs as fast as possible. *Ctrl+Backspace* returns to
the start, and *Ctrl+N* restarts from other random cells.

## Tools

Without a brush the mouse moves the view. *D* draws, *E* erases, *X* paints random cells, *S* stamps a pattern or a
creature; for complex amplitudes *W* paints a vortex of the phase and *Q* a plane wave. *V* puts the brush away. Every
stroke can be undone (*Ctrl+Z*). The law's parameters can be changed while it runs. All edits are stored with their
step, so that a recorded run can be repeated.

## Selection

*L* selects a rectangle with the mouse, *Ctrl+A* all cells. *Ctrl+C* copies them, whole states as RLE text that Golly
reads, and *Ctrl+X* cuts them. *Ctrl+V* takes copied cells, or a pattern that was copied from a web page, in hand: a click
pastes them, *Shift+M* changes how they are combined with the cells below. *Del* clears the selection and *Shift+Del* all
other cells; *>*, *<*, *H* and *Y* turn and flip. *Ctrl+Alt+S* saves the selection. Every edit can be undone.

## Panels

The Window menu opens and closes them; those from *Ctrl+Alt+1* on, the views of dynamics, are in a menu of it. They show the
displayed field, universe and slice, and begin anew when these change. A closed panel computes nothing.

{_PANELS}

Of the plots only the ticked ones are computed; long series are thinned out evenly, and dotted lines are runs before the
last reset. *Ctrl+Shift+E* saves the numbers as CSV.

## Saving

*R* records the run to a file (.h5) with the numbers themselves, the config and all edits, and estimates its size first.
*M* films the view, or a recording, as MP4 or GIF. The same keys stop. *F12* saves an image. *Ctrl+S* saves the state
(cells, memory, step, seed) and *Ctrl+L* continues from it exactly. *Ctrl+Shift+C* copies the present config. A full
disk ends the recording, not the run.

## Recordings

Drag the slider under the cells to any frame, or use *Left* and *Right*, *PgUp* and *PgDown* (ten frames), *Home* and
*End*. *O* starts again after the last frame. *Shift+End* stays at the newest frame of a file that is still being written;
playing that reaches the end does so too. *Ctrl+D* shows a second recording beside the first, at the nearest step and with
the same region; *Ctrl+Shift+D* shows the same recording in another field. Each view has its own field and levels, or the
second uses those of the first, so that colours can be compared. *Ctrl+Alt+D* shows the left view minus the right one.
*Ctrl+R* runs the config of the recording;
*Ctrl+Shift+R* continues live from the present frame.

## Opening

Drop a file on the window, or press *Ctrl+O*. A config (.toml) opens a run, a recording (.h5) is played back. A pattern
(.rle, .cells, .lif, .mcl, .mc, also packed as .gz), an array (.npy) or an image (.png, .jpg, .bmp, .tif) becomes the
initial state of the open run; weights (.safetensors) are loaded into its law, and a saved state continues it. Without
such a run a pattern opens the rule that it names, on the grid that the rule names or on one with room to grow, weights
a Growing NCA, and a state the run that it was saved from.

*?* lists all keys.
"""
