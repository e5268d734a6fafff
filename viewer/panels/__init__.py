"""Panels around the canvas. Each is a widget that knows the controller and no other panel.

To add one: a file here, and a line in `PANELS`.
"""

from dataclasses import dataclass

from PySide6.QtCore import Qt

from viewer.panels.dynamics.activity_panel import ActivityPanel
from viewer.panels.dynamics.flow_panel import FlowPanel
from viewer.panels.dynamics.histogram_panel import HistogramOverTimePanel
from viewer.panels.dynamics.portrait_panels import PortraitPanel, SectionPanel
from viewer.panels.dynamics.recurrence_panel import RecurrencePanel
from viewer.panels.dynamics.slices_panel import SlicesPanel
from viewer.panels.dynamics.spectrum_panel import SpectrumPanel
from viewer.panels.dynamics.universes_panel import UniversesPanel
from viewer.panels.dynamics.volume_panels import PastFramesPanel, VolumePanel
from viewer.panels.inspector import InspectorPanel
from viewer.panels.law import LawPanel
from viewer.panels.panel import Panel
from viewer.panels.plots import PlotsPanel
from viewer.panels.recording_panel import RecordingPanel
from viewer.panels.tools_panel import ToolsPanel
from viewer.panels.view import ViewPanel


@dataclass(frozen=True)
class DockSpec:
    """Place of a panel: its name, title, shortcut, area, and whether it is open at first.

    `tab_of` names the panel that it shares a place with, `menu` the submenu of the Window menu that lists it.
    """

    name: str
    title: str
    key: str
    tip: str
    panel: type[Panel]
    area: Qt.DockWidgetArea
    open: bool = True
    tab_of: str = ""
    menu: str = ""


_RIGHT, _BOTTOM = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea


def _dynamics(name: str, title: str, key: str, tip: str, panel: type[Panel]) -> DockSpec:
    return DockSpec(name, title, key, tip, panel, _BOTTOM, False, "plots", "Views of &dynamics")


PANELS: tuple[DockSpec, ...] = (
    DockSpec("view", "View", "Ctrl+1", "Field, colours and levels", ViewPanel, _RIGHT),
    DockSpec("tools", "Tools", "Ctrl+3", "Brushes, patterns and undo", ToolsPanel, _RIGHT),
    DockSpec("law", "Law", "Ctrl+4", "The law's parameters, while it runs", LawPanel, _RIGHT, tab_of="tools"),
    DockSpec("inspector", "Cell", "Ctrl+5", "Values of the cell under the mouse", InspectorPanel, _RIGHT, tab_of="tools"),
    DockSpec("recording", "Recording", "Ctrl+6", "Contents of the recording", RecordingPanel, _RIGHT, tab_of="tools"),
    DockSpec(
        "plots", "Plots", "Ctrl+2", "Numbers over time: population, mass, steps per second ...", PlotsPanel, _BOTTOM, False
    ),
    DockSpec(
        "universes",
        "Universes",
        "Ctrl+7",
        "All universes of the batch; a click displays one",
        UniversesPanel,
        _BOTTOM,
        False,
        "plots",
    ),
    DockSpec("slices", "Slices", "Ctrl+8", "Three slices of a volume, through one cell", SlicesPanel, _BOTTOM, False, "plots"),
    DockSpec("volume", "Volume", "Ctrl+9", "The grid of three dimensions in space", VolumePanel, _BOTTOM, False, "plots"),
    _dynamics("spectrum", "Spectrum", "Ctrl+Alt+1", "Power spectrum of the displayed field", SpectrumPanel),
    _dynamics("histogram", "Histogram", "Ctrl+Alt+2", "Histogram of the displayed field over time", HistogramOverTimePanel),
    _dynamics("activity", "Activity", "Ctrl+Alt+3", "Mean change per step of each channel", ActivityPanel),
    _dynamics("portrait", "Portrait", "Ctrl+Alt+4", "Phase portrait: two observables against each other", PortraitPanel),
    _dynamics(
        "section", "Section", "Ctrl+Alt+5", "Poincare section: two observables where a third crosses a level", SectionPanel
    ),
    _dynamics("recurrence", "Recurrence", "Ctrl+Alt+6", "How near each frame is to each other", RecurrencePanel),
    _dynamics("flow", "Flow", "Ctrl+Alt+7", "Arrows along the flow of the displayed field", FlowPanel),
    _dynamics("past", "Past frames", "Ctrl+Alt+8", "The past frames of the plane as a stack in space", PastFramesPanel),
)
