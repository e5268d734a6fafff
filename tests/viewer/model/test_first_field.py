"""The field that is shown first: of whole states the states, in every kind of source."""

import doctest
from pathlib import Path
from types import ModuleType

import pytest

from aetheria import Aetheria_Motor
from aetheria.laws import build_law
from aetheria.motor import edit_text
from aetheria.observe import first_field
from aetheria.recording import Recorder
from aetheria.runs.config import RunConfig
from tests.viewer.fakes import life, live
from tests.viewer.served import motor_of, served, window_on
from viewer.controllers import parameters
from viewer.sources.opening import live_source, open_any

FIELDS = ["channel_0", "state", "alive"]
CONFIG = """
steps = 10
[initial]
kind = "noise"
[grid]
height = 8
width = 8
[law]
name = "Life"
[picture]
field = "{}"
colour_map = "ice"
"""


@pytest.mark.parametrize(
    ("law", "first"),
    [("Life", "alive"), ("Generations", "state"), ("HPP", "density"), ("GrayScott", "v"), ("NeuralCA", "channel_0")],
)
def test_a_run_shows_the_states_of_its_cells_first_and_other_laws_their_own_field(law: str, first: str) -> None:
    motor = Aetheria_Motor(build_law(law), (8, 8), device="cpu", cfg={"plan": "eager"})
    source = live(motor)
    assert (source.fields[0].name, source.first_view_settings.field) == (first, first)
    assert len(source.fields) == len({choice.name for choice in source.fields})
    source.close()


@pytest.mark.parametrize(("named", "shown"), [("channel_0", "alive"), ("energy", "energy")])
def test_a_config_that_names_the_stored_channel_keeps_its_colours(named: str, shown: str) -> None:
    source = live_source(RunConfig.from_toml(CONFIG.format(named), ""), "run")
    assert (source.first_view_settings.field, source.first_view_settings.colours) == (shown, "ice")
    source.close()


def test_a_recording_shows_the_states_first_where_it_holds_them(tmp_path: Path) -> None:
    motor = life()
    for name, fields in (("all", FIELDS), ("stored", FIELDS[:1])):
        Recorder(motor, tmp_path / f"{name}.h5", fields=fields).finish()
    both, stored = open_any(str(tmp_path / "all.h5")), open_any(str(tmp_path / "stored.h5"))
    assert [choice.name for choice in both.fields] == ["alive", "channel_0", "state"]
    assert [(choice.name, choice.meaning) for choice in stored.fields] == [("channel_0", "the state of the cell")]
    both.close()
    stored.close()


def test_a_served_run_shows_the_states_first() -> None:
    with served(motor_of()) as (server, _), window_on(server.url) as (controller, _):
        assert controller.model.view_settings is not None
        assert controller.model.view_settings.field == "alive"


@pytest.mark.parametrize("module", [first_field, edit_text, parameters])
def test_the_examples_in_the_docstrings_are_right(module: ModuleType) -> None:
    failures, tried = doctest.testmod(module)
    assert tried
    assert not failures
