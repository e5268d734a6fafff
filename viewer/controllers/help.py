"""What the help page says, and what the page of shortcuts lists. No Qt."""

from collections.abc import Iterable
from dataclasses import dataclass

from viewer.controllers.actions import MENUS, Action


@dataclass(frozen=True)
class ShortcutLine:
    """An action on the page of shortcuts: what it is called, its keys, what it does."""

    text: str
    keys: tuple[str, ...]
    tip: str

    def mentions(self, words: str) -> bool:
        """Whether every one of these words is somewhere in it."""
        all_of_it = " ".join((self.text, *self.keys, self.tip)).lower()
        return all(word in all_of_it for word in words.lower().split())


MOUSE = (
    ShortcutLine("Zoom", ("Wheel", "Pinch"), "Closer and farther, at the cursor"),
    ShortcutLine("Move", ("Left drag", "Middle drag"), "Move the view; with a brush in hand, the middle button only"),
    ShortcutLine("Paint", ("Left drag",), "With a brush in hand: paint"),
    ShortcutLine("Erase", ("Right drag",), "With a brush in hand: erase"),
    ShortcutLine("Look at a cell", ("Hover",), "The values of the cell under the cursor"),
)


def sections(actions: Iterable[Action], panels: Iterable[ShortcutLine]) -> dict[str, list[ShortcutLine]]:
    """Everything that has a key, by menu; panels are in the menu of the window, what the mouse does comes last."""
    found: dict[str, list[ShortcutLine]] = {menu: [] for menu in MENUS}
    for action in actions:
        found[action.menu].append(ShortcutLine(plain(action.text), action.keys, action.tip))
    found["&Window"] = [*panels, *found["&Window"]]
    return {plain(menu): lines for menu, lines in found.items() if lines} | {"Mouse, on the cells": list(MOUSE)}


def plain(text: str) -> str:
    """A menu's text without the mark before the letter that picks it."""
    return text.replace("&", "").removesuffix("...")


PAGE = """
# What one sees

The large picture is the **grid**: each cell of the automaton is a small square, and its colour says what is in it. The
law works out every cell's next value from the cells around it, all of them at once; that is one **step**. Most grids
have no edge: what leaves on the right comes back on the left, and what leaves at the top comes back at the bottom.

## Colours

A picture shows one **field**: something that can be measured at each cell, such as its first channel, its density, or
the phase of its first amplitude. *N* shows the next field; the Look panel has them all, with their formulas.

![ember](map:ember) **ember**, and likewise **ice** and **grey**: from little (dark) to much (light).

![balance](map:balance) **balance**: for values that can be negative; dark is zero, blue is below, orange above.

![phase](map:phase) **phase**: for angles; the two ends are the same colour, because a full turn is no turn.

![wheel](wheel:phase)

A **phase** is the direction in which a complex amplitude points: to the right at phase 0, up at a quarter turn, to the
left at half a turn. The wheel shows the colour of each direction. Where all colours meet around a point there is a
*vortex*: going around it, the phase turns once. All these colours are equally light, so that light and dark mean
nothing there.

Laws that have colours of their own (the lizard, say) are shown in them, over white; levels and colour maps do nothing
there.

## Levels

The values at the two ends of a colour map are its **levels**. *Automatic* (*A*) takes the range that the field can
have, or the lowest and highest value in view, so that colours change their meaning as the run goes on. *Percentile*
(*P*) leaves the outermost values out, so that one extreme cell does not make all others look the same. *Locked* (*K*)
keeps the levels as they are: only then can one picture be compared with another.

## Numbers in the bar at the bottom

- **step**: steps since the start. **steps/s** and **cells/s**: how many are taken, and how many cells are worked out,
  in a second.
- **frames/s**: pictures shown in a second. *Dropped* ones were due while the one before was still being drawn; they
  were never made, and nothing is lost but their viewport.
- **cpu** or **cuda**: the device that works it out. The word after it is the *plan*: *eager* takes each step as it is
  written; *compiled*, *fused*, *packed*, *graphed* or *banded* are faster ways to the same result, made ready in the
  background.
- **off the device**: bytes that pictures and recordings move in a second. Minimise the window, and it is nothing.

When cells turn to NaN or infinity the run pauses, and the last good picture stays.

## Running

*Space* plays and pauses, *.* takes one step. A **beat** is what the speed counts: so many beats a second, each of so
many steps (*]* doubles them, *[* halves them). *0* asks for as many as this machine can do. *Ctrl+Backspace* goes back
to the start, and *Ctrl+N* starts again from other random cells.

## Tools

The mouse moves the view until a brush is in hand: *D* draws, *E* erases, *X* paints random cells, *S* puts down a
pattern or an animal; for complex amplitudes *W* puts down a vortex of the phase and *Q* a plane wave. *V* puts the
brush away. Every stroke can be taken back (*Ctrl+Z*). The law's own numbers can be changed while it runs, and each
change is kept with its step, so that a recorded run can be repeated.

## Plots

The panel of plots (Window menu) shows numbers over time: population or mass, energy, entropy, centre of mass, steps a
second. Only what is ticked is worked out, only while the panel is open, and long runs are thinned out evenly. Dotted
lines are of the runs before the last reset. *Ctrl+Shift+E* saves the numbers as a table.

## Keeping

*R* records the run to a file (.h5) that holds the numbers themselves, the config and all changes by hand; it says before
what that takes. *M* films what is shown, or a recording, as MP4 or GIF. *R* and *M* again end it. *F12* keeps one picture.
*Ctrl+S* saves the state (cells, memory, step, seed) and *Ctrl+L* goes on from it, to the last digit. *Ctrl+Shift+C* copies
the config as it is now. A disk that is full ends the recording, not the run.

## Recordings

Drag the slider under the cells to any frame, or use *Left* and *Right*, *PgUp* and *PgDown* for ten, *Home* and *End*. *O*
begins again after the last frame. A file that is still being written grows under the slider: *Shift+End* stays at its newest
frame, and playing that has caught up does so too. *Ctrl+D* puts a second recording beside what is open, at the step nearest
to it and showing the same part of the grid; *Ctrl+Shift+D* the same one in another field. Each has its own field and levels,
or those of the left one, so that colours mean the same. *Ctrl+R* runs the recording's config anew; *Ctrl+Shift+R* goes on
live from the frame in view.

## Opening

Drop a file on the window, or press *Ctrl+O*. A config (.toml) opens a run, a recording (.h5) is played back. A pattern
(.rle), an array (.npy) or an image (.png) becomes the start of the run that is open; weights (.safetensors) go into its
law, and from a saved state it goes on. Without such a run a pattern opens Life, weights a Growing NCA, and a state the run
that it was saved from.

*?* lists all keys.
"""
