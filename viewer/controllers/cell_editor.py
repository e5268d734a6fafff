"""Base of the components that edit cells as strokes. No Qt."""

import numpy as np
from numpy.typing import NDArray

from aetheria.laws.base import Law
from viewer.controllers.cell_changes import CellsChange
from viewer.controllers.component import Component, ComponentHost
from viewer.controllers.strokes import Stroke
from viewer.controllers.tools import ToolController
from viewer.model.messages import Message
from viewer.sources.cell_access import EditableSource


class CellEditor(Component):
    """Changes cells of a run; every change is undone as a stroke."""

    def __init__(self, controller: ComponentHost, tools: ToolController) -> None:
        super().__init__(controller)
        self.tools = tools

    def _change(self, changes: list[CellsChange]) -> None:
        if self._usable():
            stroke = self._stroke()
            self.tools.queue_command(lambda painter: painter.change(stroke, changes))

    def _stroke(self) -> Stroke:
        model, plane = self.controller.model, self.controller.plane
        assert model.view_settings is not None
        assert plane is not None
        return Stroke("edit", None if model.brush.everywhere else model.view_settings.universe, plane)

    def _usable(self) -> bool:
        reason = self.tools.why_not("select")
        if reason:
            self._note(f"The selection is not available: {reason}")
        return not reason

    @property
    def _law(self) -> Law:
        source: object = self.controller.source
        assert isinstance(source, EditableSource)
        return source.law

    @property
    def rest(self) -> NDArray[np.float32]:
        """The channels `(C,)` of a cell at rest."""
        return np.asarray(self._law.rest_cell().cpu().numpy(), np.float32)

    @property
    def _grid(self) -> tuple[int, int]:
        plane = self.controller.plane
        return (plane.present.height, plane.present.width) if plane is not None else (0, 0)

    def _note(self, text: str) -> None:
        self.controller.view.show_message(Message("note", text))
