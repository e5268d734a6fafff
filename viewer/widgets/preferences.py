"""What the viewer still knows the next time it is opened: theme, layout, recent files, the last numbers given."""

from pathlib import Path
from typing import cast

from PySide6.QtCore import QByteArray, QSettings

from viewer.model.model import Theme, ViewerModel

_RECENT = 8  # files


class Preferences:
    """Small values, kept in the user's settings."""

    def __init__(self) -> None:
        self._settings = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "Aetheria", "viewer")

    @property
    def theme(self) -> Theme | None:
        """The theme last chosen; None when there was no choice yet."""
        theme = self._settings.value("theme")
        return cast(Theme, theme) if theme in ("dark", "light") else None

    def watch(self, model: ViewerModel) -> None:
        """Keeps what the user changes of the model from now on."""

        def model_changed(names: frozenset[str]) -> None:
            if "theme" in names:
                self._settings.setValue("theme", model.theme)

        model.listeners.append(model_changed)

    @property
    def recent(self) -> list[str]:
        """Files that were opened, the newest first."""
        files = self._settings.value("recent")
        if isinstance(files, str):  # what Qt makes of a list of one
            files = [files]
        return [str(file) for file in files] if isinstance(files, list) else []

    def add_recent(self, path: str | Path) -> None:
        """Puts a file at the front of the recent ones."""
        path = str(Path(path).absolute())
        self._settings.setValue("recent", [path, *(file for file in self.recent if file != path)][:_RECENT])

    def number(self, name: str, default: int) -> int:
        """A number that was given last time."""
        number = self._settings.value(f"numbers/{name}", default)
        try:
            return int(str(number))
        except ValueError:
            return default

    def set_number(self, name: str, number: int) -> None:
        """Keeps a number for next time."""
        self._settings.setValue(f"numbers/{name}", number)

    def bytes(self, name: str) -> QByteArray:
        """A state of Qt's own making; empty when there is none."""
        state = self._settings.value(name)
        return state if isinstance(state, QByteArray) else QByteArray()

    def set_bytes(self, name: str, state: QByteArray) -> None:
        """Keeps it."""
        self._settings.setValue(name, state)

    def forget_bytes(self, *names: str) -> None:
        """As if these had never been kept."""
        for name in names:
            self._settings.remove(name)
