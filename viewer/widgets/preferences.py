"""Preferences kept on disk: theme, layout, recent files, the last numbers entered."""

from pathlib import Path
from typing import cast

from PySide6.QtCore import QByteArray, QSettings

from viewer.model.model import Theme, ViewerModel

_RECENT = 8  # files


class Preferences:
    """Preferences in the user's settings file."""

    def __init__(self) -> None:
        self._settings = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "Aetheria", "viewer")

    @property
    def theme(self) -> Theme | None:
        """The chosen theme; None before the first choice."""
        theme = self._settings.value("theme")
        return cast(Theme, theme) if theme in ("dark", "light") else None

    def watch(self, model: ViewerModel) -> None:
        """Stores changes of the model from now on."""

        def model_changed(names: frozenset[str]) -> None:
            if "theme" in names:
                self._settings.setValue("theme", model.theme)

        model.listeners.append(model_changed)

    @property
    def recent(self) -> list[str]:
        """Recently opened files, the newest first."""
        files = self._settings.value("recent")
        if isinstance(files, str):  # Qt turns a list of one into its element
            files = [files]
        return [str(file) for file in files] if isinstance(files, list) else []

    def add_recent(self, path: str | Path) -> None:
        """Puts a file at the front of the recent ones."""
        path = str(Path(path).absolute())
        self._settings.setValue("recent", [path, *(file for file in self.recent if file != path)][:_RECENT])

    def number(self, name: str, default: int) -> int:
        """The number entered last time under this name."""
        number = self._settings.value(f"numbers/{name}", default)
        try:
            return int(str(number))
        except ValueError:
            return default

    def set_number(self, name: str, number: int) -> None:
        """Stores a number."""
        self._settings.setValue(f"numbers/{name}", number)

    def bytes(self, name: str) -> QByteArray:
        """A binary state of Qt; empty if there is none."""
        state = self._settings.value(name)
        return state if isinstance(state, QByteArray) else QByteArray()

    def set_bytes(self, name: str, state: QByteArray) -> None:
        """Stores a binary state."""
        self._settings.setValue(name, state)

    def forget_bytes(self, *names: str) -> None:
        """Removes binary states."""
        for name in names:
            self._settings.remove(name)
