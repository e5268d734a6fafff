"""The first view of a source, as its config says."""

from aetheria.runs.config import RunConfig
from viewer.model.palette import first_view_settings
from viewer.model.plane import Plane
from viewer.model.view_settings import FieldChoice


def test_the_window_opens_in_the_colours_of_the_config() -> None:
    picture = {"colour_map": "ice", "levels": [0.01, 1.0], "log": True, "gamma": 0.5}
    config = RunConfig.checked({"steps": 1, "grid": {"shape": [4, 5]}, "law": {"name": "Life"}, "picture": picture}, "")
    fields = [FieldChoice("channel_0", "", "1", (0.0, 1.0), "ember")]
    settings = first_view_settings(fields, Plane((4, 5), ("y", "x")), config)
    assert (settings.colours, settings.level_mode, settings.levels) == ("ice", "locked", (0.01, 1.0))
    assert (settings.log, settings.gamma) == (True, 0.5)
