"""What the File menu asks before something is kept or brought back."""

from PySide6.QtWidgets import QWidget

from viewer.asking import ask_where_to_save
from viewer.controller import Controller
from viewer.series import Series


def ask_where_to_save_numbers(parent: QWidget, series: Series) -> None:
    """Asks for the file that the numbers in the plots go to."""
    ask_where_to_save(parent, "Save numbers", "numbers.csv", {".csv": "Table"}, series.save_csv)


class Filing:
    """Dialogs of one window; none of them stops it."""

    def __init__(self, window: QWidget, controller: Controller) -> None:
        self.window = window
        self.controller = controller

    def save_numbers(self) -> None:
        """Asks where to save what is plotted."""
        ask_where_to_save_numbers(self.window, self.controller.series)
