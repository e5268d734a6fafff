"""Light and dark."""

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from viewer.model import Theme

_COLOURS = {
    "dark": {
        "window": "#1d1f23",
        "base": "#16181b",
        "button": "#2a2d33",
        "text": "#e6e7ea",
        "dim": "#8a8f98",
        "accent": "#e0884a",
    },
    "light": {
        "window": "#f3f3f1",
        "base": "#ffffff",
        "button": "#e6e6e3",
        "text": "#1c1d20",
        "dim": "#6b6f76",
        "accent": "#a8480f",
    },
}


def colour(theme: Theme, role: str) -> QColor:
    """A colour of the theme: "window", "base", "button", "text", "dim" or "accent"."""
    return QColor(_COLOURS[theme][role])


def apply(app: QApplication, theme: Theme) -> None:
    """Gives the whole program the theme's colours; the focus is a line in the accent colour."""
    app.setStyle("Fusion")
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, name in {
        roles.Window: "window",
        roles.Base: "base",
        roles.AlternateBase: "window",
        roles.Button: "button",
        roles.ToolTipBase: "button",
        roles.WindowText: "text",
        roles.Text: "text",
        roles.ButtonText: "text",
        roles.ToolTipText: "text",
        roles.BrightText: "text",
        roles.PlaceholderText: "dim",
        roles.Highlight: "accent",
        roles.Link: "accent",
    }.items():
        palette.setColor(role, colour(theme, name))
    palette.setColor(roles.HighlightedText, colour(theme, "base"))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour(theme, "dim"))
    app.setPalette(palette)
    app.setStyleSheet(f"*:focus {{ outline: 1px solid {colour(theme, 'accent').name()}; }}")
