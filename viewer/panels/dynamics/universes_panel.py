"""Panel of all universes of a batch: a contact sheet, in which a click chooses the displayed one."""

from viewer.controllers.controller import Controller
from viewer.dynamics.universes import MOST, UniversesView
from viewer.panels.dynamics.painting import PaintedPanel
from viewer.panels.dynamics.tile_sheet import TileSheet
from viewer.sources.samples import Sample


class UniversesPanel(PaintedPanel):
    """Tiles in the colours and levels of the canvas; the displayed universe is framed."""

    lines = 18

    def __init__(self, controller: Controller) -> None:
        self.sheet = TileSheet(lambda index: f"universe {index}")
        super().__init__(controller, UniversesView(), self.sheet, "Universes")
        self.sheet.chosen.connect(lambda universe: controller.model.change_view(universe=universe))

    def draw(self, result: Sample) -> str:
        settings, source = self.controller.model.view_settings, self.controller.source
        tiles = self.colours_of(result, MOST)
        if tiles is None or settings is None or source is None:
            return ""
        self.sheet.show_tiles(tiles, settings.universe)
        left_out = f", the first {MOST:,}" if source.universes > MOST else ""
        return f"step {result.step:,}: {source.universes:,} universes{left_out}; universe {settings.universe} is displayed"
