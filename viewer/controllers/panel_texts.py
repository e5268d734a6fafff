"""Titles, shortcuts and descriptions of the panels: for menus, tooltips and the help page. No Qt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PanelText:
    """A panel's title, shortcut and tooltip, and its contents as a sentence of the help page."""

    title: str
    key: str
    tip: str
    shows: str


PANEL_TEXTS: dict[str, PanelText] = {
    "view": PanelText(
        "View",
        "Ctrl+1",
        "Field, colours and levels",
        "field, universe, colour map, levels, logarithm and gamma; a histogram of the visible values, whose lines "
        "drag the levels; one field, three as red, green and blue, or a blend of two",
    ),
    "plots": PanelText(
        "Plots",
        "Ctrl+2",
        "Numbers over time: population, mass, steps per second ...",
        "numbers over time: population or mass, energy, entropy, centre of mass, steps per second",
    ),
    "tools": PanelText(
        "Tools",
        "Ctrl+3",
        "Brushes, patterns and undo",
        "brushes with their size and strength, the states to draw with, patterns to stamp, and which universes an edit changes",
    ),
    "law": PanelText(
        "Law",
        "Ctrl+4",
        "The law's parameters, while it runs",
        "rule, boundary and parameters of the law, which change while it runs, and the edits since the start",
    ),
    "inspector": PanelText(
        "Cell",
        "Ctrl+5",
        "Values of the cell under the mouse",
        "all channels of the cell under the mouse, or of one that is pinned",
    ),
    "recording": PanelText(
        "Recording",
        "Ctrl+6",
        "Contents of the recording",
        "contents of the recording: law, grid, frames and fields",
    ),
    "universes": PanelText(
        "Universes",
        "Ctrl+7",
        "All universes of the batch; a click displays one",
        "contact sheet of the batch, in the colours and levels of the view, up to 1,024 of them; a click displays one",
    ),
    "slices": PanelText(
        "Slices",
        "Ctrl+8",
        "Three slices of a volume, through one cell",
        "of a volume three slices side by side, across each axis, through one cell; a click, or dragging a line, moves it",
    ),
    "volume": PanelText(
        "Volume",
        "Ctrl+9",
        "The grid of three dimensions in space",
        "of a volume the cells above a share of the levels, in space, of at most 64 x 64 x 64 averages; drag to turn, "
        "wheel to zoom",
    ),
    "spectrum": PanelText(
        "Spectrum",
        "Ctrl+Alt+1",
        "Power spectrum of the displayed field",
        "power spectrum of the whole plane, averaged to at most 512 x 512 values; the caption names the wavelength of "
        "the largest power",
    ),
    "histogram": PanelText(
        "Histogram",
        "Ctrl+Alt+2",
        "Histogram of the displayed field over time",
        "shares of the values at each update (as many steps as the step scale says), of cells at a raster of 96 x 96; "
        "the newest 256",
    ),
    "activity": PanelText(
        "Activity",
        "Ctrl+Alt+3",
        "Mean change per step of each channel",
        "mean change of each channel in a step, of a raster of 128 x 128 cells; of a recording between neighbouring "
        "frames, divided by the steps between them",
    ),
    "portrait": PanelText(
        "Portrait",
        "Ctrl+Alt+4",
        "Phase portrait: two observables against each other",
        "two observables against each other at every update, of a recording at all its frames",
    ),
    "section": PanelText(
        "Section",
        "Ctrl+Alt+5",
        "Poincare section: two observables where a third crosses a level",
        "Poincaré section: two observables at the moments at which a third rises through a level, or through its "
        "mean; straight lines between two samples",
    ),
    "recurrence": PanelText(
        "Recurrence",
        "Ctrl+Alt+6",
        "How near each frame is to each other",
        "root mean square difference of any two of the newest 128 frames, averaged to at most 96 x 96 values, dark "
        "where it is small; the caption says after how many steps the newest frame had come back at any place",
    ),
    "flow": PanelText(
        "Flow",
        "Ctrl+Alt+7",
        "Arrows along the flow of the displayed field",
        "arrows along the velocity of the displayed field, from two frames one step apart",
    ),
    "past": PanelText(
        "Past frames",
        "Ctrl+Alt+8",
        "The past frames of the plane as a stack in space",
        "the plane at the newest 64 updates as a stack in space, the newest on top, of at most 96 x 96 averages each; "
        "drag to turn, wheel to zoom",
    ),
}
