"""Light and dark theme: one palette and one style sheet for the whole program.

Contrast of text is at least 4.5 : 1 (WCAG 2.1, 1.4.3), of meaningful lines 3 : 1.
"""

from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from viewer.model.model import Theme

COLOURS: dict[Theme, dict[str, str]] = {
    "dark": {
        "window": "#1d1f23",
        "base": "#16181b",
        "button": "#2b2f36",
        "line": "#3a3f47",
        "edge": "#7b828d",
        "text": "#e6e7ea",
        "dim": "#a3a8b1",
        "accent": "#e8914f",
        "on_accent": "#1a1206",
        "chosen": "#4a3527",
        "warning": "#463509",
        "on_warning": "#ffe9b8",
        "error": "#54201c",
        "on_error": "#ffe1dc",
    },
    "light": {
        "window": "#f4f4f2",
        "base": "#ffffff",
        "button": "#e7e7e3",
        "line": "#d0d0cb",
        "edge": "#7a7c80",
        "text": "#1c1d20",
        "dim": "#55595f",
        "accent": "#a3460e",
        "on_accent": "#ffffff",
        "chosen": "#f6dcc8",
        "warning": "#fbe9bd",
        "on_warning": "#453000",
        "error": "#fadbd6",
        "on_error": "#5c120a",
    },
}

_SHEET = Template("""
QMainWindow, QDialog { background: $window; }
QMenuBar { background: $window; padding: 0.1em 0.3em; }
QMenuBar::item { padding: 0.3em 0.6em; border-radius: 0.25em; background: transparent; }
QMenuBar::item:selected { background: $button; }
QMenu { background: $base; border: 1px solid $line; padding: 0.3em; }
QMenu::item { padding: 0.35em 1.6em 0.35em 1.6em; border-radius: 0.25em; }
QMenu::item:selected { background: $chosen; color: $text; }
QMenu::item:disabled { color: $dim; }
QMenu::separator { height: 1px; background: $line; margin: 0.3em 0.6em; }
QToolTip { background: $button; color: $text; border: 1px solid $edge; padding: 0.3em; }
QStatusBar { background: $window; border-top: 1px solid $line; }
QStatusBar::item { border: none; }
QDockWidget { titlebar-close-icon: none; }
QDockWidget::title { background: $window; padding: 0.45em 0.6em; border-bottom: 1px solid $line; text-align: left; }
QMainWindow::separator { background: $line; width: 1px; height: 1px; }
QMainWindow::separator:hover { background: $accent; }
QTabBar { qproperty-drawBase: 0; }
QTabBar::tab { background: $window; color: $dim; padding: 0.4em 0.9em; border: none; border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:focus { color: $text; background: $button; }
QSlider::groove:horizontal { height: 0.3em; border-radius: 0.15em; background: $edge; }
QSlider::sub-page:horizontal { border-radius: 0.15em; background: $accent; }
QSlider::handle:horizontal { width: 0.9em; height: 0.9em; margin: -0.35em 0; border-radius: 0.45em; background: $accent;
    border: 1px solid $window; }
QSlider::handle:horizontal:focus { border: 2px solid $text; }
QSlider::groove:horizontal:disabled, QSlider::sub-page:horizontal:disabled, QSlider::handle:horizontal:disabled {
    background: $line; }
QScrollBar:vertical { background: transparent; width: 0.8em; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 0.8em; margin: 0; }
QScrollBar::handle { background: $edge; border-radius: 0.2em; margin: 0.2em; min-height: 1.5em; min-width: 1.5em; }
QScrollBar::handle:hover { background: $accent; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QPushButton { background: $button; color: $text; border: 1px solid $edge; border-radius: 0.3em; padding: 0.3em 0.9em; }
QPushButton:hover { border-color: $accent; }
QPushButton:pressed, QPushButton:checked { background: $chosen; border-color: $accent; }
QPushButton:focus { border: 2px solid $accent; }
QPushButton:disabled { color: $dim; border-color: $line; }
QToolButton { color: $text; background: transparent; border: 2px solid transparent; border-radius: 0.3em; padding: 0.1em; }
QToolButton:hover { background: $button; }
QToolButton:pressed, QToolButton:checked { background: $chosen; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $dim; }
QAbstractItemView { outline: none; }
QCheckBox { border: 2px solid transparent; border-radius: 0.3em; padding: 0.1em; }
QCheckBox:focus { border-color: $accent; }
QCheckBox::indicator:unchecked, QListView::indicator:unchecked {
    border: 1px solid $dim; border-radius: 2px; background: $base; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
#cells { border: 1px solid $window; }
#cells:focus { border: 1px solid $edge; }
#banner { border: none; border-bottom: 2px solid $edge; background: $button; color: $text; }
#banner QLabel { color: $text; }
#banner #kind { font-weight: bold; }
#banner[kind="warning"] { background: $warning; border-color: $on_warning; }
#banner[kind="warning"] QLabel { color: $on_warning; }
#banner[kind="error"] { background: $error; border-color: $on_error; }
#banner[kind="error"] QLabel { color: $on_error; }
""")


def colour(theme: Theme, role: str) -> QColor:
    """A colour of the theme: "window", "base", "button", "line", "edge", "text", "dim", "accent" ..."""
    return QColor(COLOURS[theme][role])


def preferred() -> Theme:
    """The system's setting; dark where there is none, because cells are clearest on dark."""
    return "light" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"


def apply(app: QApplication, theme: Theme) -> None:
    """Applies a theme to the whole program; does nothing where it has it, for all widgets would be styled again."""
    sheet = _SHEET.substitute(COLOURS[theme])
    if app.styleSheet() == sheet:
        return
    app.setStyle("Fusion")
    # For elements drawn by the system: title bars, file dialogs.
    app.styleHints().setColorScheme(Qt.ColorScheme.Light if theme == "light" else Qt.ColorScheme.Dark)
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
        roles.HighlightedText: "on_accent",
        roles.Accent: "accent",
        roles.Link: "accent",
        roles.LinkVisited: "accent",
        roles.Mid: "line",
        roles.Dark: "line",
    }.items():
        palette.setColor(role, colour(theme, name))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour(theme, "dim"))
    app.setPalette(palette)
    app.setStyleSheet(sheet)
