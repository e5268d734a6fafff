"""Panels around the canvas. Each is a widget that knows the controller and no other panel.

To add one: a file here, a line in `PANELS`, and its texts in `viewer.controllers.panel_texts`.
"""

from dataclasses import dataclass

from PySide6.QtCore import Qt

from viewer.controllers.panel_texts import PANEL_TEXTS, PanelText
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
    """Place of a panel: its name, area, and whether it is open at first.

    `tab_of` names the panel that it shares a place with, `menu` the submenu of the Window menu that lists it.
    """

    name: str
    panel: type[Panel]
    area: Qt.DockWidgetArea
    open: bool = True
    tab_of: str = ""
    menu: str = ""

    @property
    def text(self) -> PanelText:
        """Title, shortcut and tooltip."""
        return PANEL_TEXTS[self.name]


_RIGHT, _BOTTOM = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea


def _dynamics(name: str, panel: type[Panel]) -> DockSpec:
    return DockSpec(name, panel, _BOTTOM, False, "plots", "Views of &dynamics")


PANELS: tuple[DockSpec, ...] = (
    DockSpec("view", ViewPanel, _RIGHT),
    DockSpec("tools", ToolsPanel, _RIGHT),
    DockSpec("law", LawPanel, _RIGHT, tab_of="tools"),
    DockSpec("inspector", InspectorPanel, _RIGHT, tab_of="tools"),
    DockSpec("recording", RecordingPanel, _RIGHT, tab_of="tools"),
    DockSpec("plots", PlotsPanel, _BOTTOM, False),
    DockSpec("universes", UniversesPanel, _BOTTOM, False, "plots"),
    DockSpec("slices", SlicesPanel, _BOTTOM, False, "plots"),
    DockSpec("volume", VolumePanel, _BOTTOM, False, "plots"),
    _dynamics("spectrum", SpectrumPanel),
    _dynamics("histogram", HistogramOverTimePanel),
    _dynamics("activity", ActivityPanel),
    _dynamics("portrait", PortraitPanel),
    _dynamics("section", SectionPanel),
    _dynamics("recurrence", RecurrencePanel),
    _dynamics("flow", FlowPanel),
    _dynamics("past", PastFramesPanel),
)
