"""Non-blocking file dialogs."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

_folder = Path.cwd()  # folder of the last file


def ask_where_to_save(
    parent: QWidget, title: str, name: str, kinds: dict[str, str], then: Callable[[Path], object]
) -> QFileDialog:
    """Asks for a file to write; Qt asks before an existing one is replaced.

    Args:
        name: suggested name; a number is added if the file exists.
        kinds: suffixes (".png") with their descriptions, the default one first.
        then: called with the chosen path.
    """
    dialog = _dialog(parent, title, kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(next(iter(kinds)).removeprefix("."))
    dialog.selectFile(str(free_name(_folder / name)))
    suffixes = {_filter(suffix, called): suffix for suffix, called in kinds.items()}

    def other_kind(chosen: str) -> None:
        dialog.setDefaultSuffix(suffixes[chosen].removeprefix("."))
        for file in dialog.selectedFiles():
            dialog.selectFile(str(free_name(Path(file).with_suffix(suffixes[chosen]))))

    dialog.filterSelected.connect(other_kind)
    return _opened(dialog, then)


def ask_what_to_open(parent: QWidget, title: str, kinds: dict[str, str], then: Callable[[Path], object]) -> QFileDialog:
    """Asks for an existing file; arguments as for `ask_where_to_save`."""
    dialog = _dialog(parent, title, kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    return _opened(dialog, then)


def suggested(name: str) -> Path:
    """A free file name in the folder of the last file."""
    return free_name(_folder / name)


def free_name(path: Path) -> Path:
    """The path, or the first of "name-2", "name-3" ... that does not exist."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _dialog(parent: QWidget, title: str, kinds: dict[str, str]) -> QFileDialog:
    dialog = QFileDialog(parent, title, str(_folder))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setNameFilters([_filter(suffix, called) for suffix, called in kinds.items()])
    return dialog


def _filter(suffix: str, called: str) -> str:
    return f"{called} (*{suffix})"


def _opened(dialog: QFileDialog, then: Callable[[Path], object]) -> QFileDialog:
    def chosen(name: str) -> None:
        global _folder
        path = Path(name)
        _folder = path.parent
        then(path)

    dialog.fileSelected.connect(chosen)
    dialog.open()
    return dialog
