"""The part of a view that its canvas carries out."""

from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.widgets.canvas import Canvas


class CanvasView:
    """Base class of the views: moves and zooms their canvas."""

    canvas: Canvas

    def show_plane(self, plane: Plane) -> None:
        """Shows a plane of another shape, all of it."""
        self.canvas.set_grid(*plane.grid)

    def show_region(self, region: Region) -> None:
        """Moves and zooms the view to a region."""
        self.canvas.show_region(region)

    def centre(self, y: float, x: float) -> None:
        """Centres the view on a point, in cells."""
        self.canvas.centre(y, x)

    def zoom(self, factor: float | None) -> None:
        """Zooms by a factor about the centre; None: one pixel per cell."""
        self.canvas.zoom(factor)
