"""What every test of the viewer starts from."""

from pathlib import Path

import pytest

from tests.viewer.fakes import FakeView


@pytest.fixture(autouse=True)
def fresh_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A viewer that was never opened before, wherever the user of this machine left his."""
    folder = tmp_path_factory.mktemp("settings")
    try:
        from PySide6.QtCore import QSettings
    except ImportError:
        return folder
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    return folder


@pytest.fixture
def view() -> FakeView:
    """A view that keeps what it is told, for a controller without a window."""
    return FakeView()
