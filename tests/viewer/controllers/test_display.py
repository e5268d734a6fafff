"""Contrast and colours of every kind of grid, live and recorded, on the pixels that are shown and saved: no Qt."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from aetheria import GrowingNCA, Lenia
from aetheria.export.pictures import Movie
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.colour_maps import colour_map, paint
from aetheria.recording import Recorder, Recording
from tests.viewer.fakes import FakeView, live, wait_until
from viewer.controllers.controller import Controller
from viewer.controllers.film import RecordingFilm
from viewer.model.frame import RenderedFrame
from viewer.model.palette import colour_table, fitted_levels
from viewer.model.view_settings import FieldChoice, ViewSettings
from viewer.sources.playback import RecordingSource

GRIDS = {"plane": (24, 32), "row": (40,), "slice": (10, 12, 14)}


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    yield controller
    controller.close()


def motor_of(grid: tuple[int, ...]) -> Aetheria_Motor:
    cells = np.random.default_rng(2).uniform(0.05, 1, (1, *grid)).astype(np.float32) ** 3
    return Aetheria_Motor(Lenia(R=4), grid, 1, "cpu", {"plan": "eager"}, initial=cells)


def opened(controller: Controller, grid: str, recorded: bool, tmp_path: Path) -> NDArray[np.float32]:
    """Opens a source; returns the values `(h, w)` of the last rows of its plane."""
    motor = motor_of(GRIDS[grid])
    values = motor.cells[0, 0].numpy()
    if recorded:
        with Recorder(motor, tmp_path / "x.h5", fields=["channel_0"]):
            motor.refresh()
            motor.step(1)
        controller.open(RecordingSource(Recording(tmp_path / "x.h5")))
    else:
        controller.open(live(motor))
    controller.set_field("channel_0")
    return values[None] if grid == "row" else values[5] if grid == "slice" else values


def shown(controller: Controller) -> RenderedFrame:
    """The frame of the present settings."""
    settings, found = controller.model.view_settings, list[RenderedFrame]()
    assert settings is not None
    assert isinstance(controller.view, FakeView)
    frames = controller.view.frames
    frames.clear()
    wait_until(lambda: frames, controller)
    found.append(frames[-1])
    return found[0]


@pytest.mark.parametrize("recorded", [False, True], ids=["live", "recorded"])
@pytest.mark.parametrize("grid", GRIDS)
def test_the_pixels_are_of_the_logarithms_between_the_levels_of_the_mode(
    grid: str, recorded: bool, controller: Controller, tmp_path: Path
) -> None:
    values = opened(controller, grid, recorded, tmp_path).astype(np.float64)
    for log in (False, True):
        controller.levels_range()
        if log:
            controller.toggle_log()
        frame = shown(controller)
        low, high = frame.levels
        assert (low, high) == pytest.approx((values.min(), values.max()), rel=1e-5)
        share = np.log(values / low) / np.log(high / low) if log else (values - low) / (high - low)
        seen = frame.pixels[-len(values) :]
        assert np.abs(seen - 255 * share).max() < 0.51
    controller.levels_symmetric()
    assert shown(controller).levels == pytest.approx((-values.max(), values.max()), rel=1e-5)


def test_levels_of_each_mode_on_values_of_a_field_with_a_range() -> None:
    bounded = FieldChoice("density", "", "1", (0.0, 1.0), "ember")
    values = np.array([-0.0, 0.2, 0.3, 0.8, np.nan, np.inf])

    def levels(mode: str, log: bool = False, given: NDArray[np.float64] = values, choice: FieldChoice = bounded) -> object:
        return fitted_levels(ViewSettings("density", level_mode=mode, log=log, percentile=0.0), choice, given)  # type: ignore[arg-type]

    assert levels("auto") == (0, 1)
    assert levels("range") == (0, 0.8)
    assert levels("symmetric") == (-0.8, 0.8)
    assert levels("symmetric", given=np.array([-3.0, 1.0])) == (-3, 3)
    assert levels("percentile") == (0, 0.8)
    assert levels("range", log=True) == (0.2, 0.8)
    assert levels("auto", log=True) == (0.2, 0.8)  # its range begins at 0, which has no logarithm
    assert levels("auto", log=True, choice=FieldChoice("x", "", "1", (0.5, 2.0), "ember")) == (0.5, 2)
    assert levels("range", log=True, given=np.array([1e-30, 2.0])) == (pytest.approx(2e-6), 2)
    assert levels("range", log=True, given=np.array([-1.0, 0.0])) == (0.1, 1)
    assert levels("range", log=True, given=np.array([5.0])) == (0.5, 5)
    locked = ViewSettings("density", level_mode="locked", levels=(0.0, 9.0), log=True)
    assert fitted_levels(locked, bounded, values) == (0.2, 0.8)


def test_eased_levels_of_logarithms_move_by_factors() -> None:
    choice, settings = FieldChoice("x", "", "1", (None, None), "ember"), ViewSettings("x", level_mode="range", log=True)
    low, high = fitted_levels(settings, choice, np.array([1e-2, 1.0]), (1e-4, 1.0))
    assert low == pytest.approx(1e-3)
    assert high == 1


def test_gamma_changes_the_table_only_and_a_saved_image_is_what_is_shown(controller: Controller, tmp_path: Path) -> None:
    values = opened(controller, "plane", False, tmp_path)
    controller.levels_range()
    controller.toggle_log()
    frame = shown(controller)
    controller.set_gamma(0.5)
    controller.model.change_view(colours="viridis")
    assert np.array_equal(shown(controller).pixels, frame.pixels)
    settings, choice = controller.model.view_settings, controller.choice
    assert settings is not None
    assert choice is not None
    table = colour_table(settings, choice)
    assert np.array_equal(table[64], colour_map("viridis")[128])
    controller.save.save_cells(tmp_path / "x.png")
    wait_until((tmp_path / "x.png").exists, controller)
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image)
    assert np.array_equal(pixels, table[frame.pixels])
    wanted = paint(values, frame.levels, "viridis", log=True, gamma=0.5)
    assert np.abs(pixels.astype(int) - wanted).max() <= 12  # a place of the map apart


def test_a_film_of_a_recording_has_logarithm_and_gamma_of_the_view(controller: Controller, tmp_path: Path) -> None:
    opened(controller, "plane", True, tmp_path)
    controller.levels_range()
    controller.toggle_log()
    controller.set_gamma(0.7)
    shown(controller)
    controller.film.film_recording(tmp_path / "x.gif", 2, 10.0)
    task = controller.film.task
    assert isinstance(task, RecordingFilm)
    with Recording(tmp_path / "x.h5") as recording:
        movie = task.export.images(recording)
        assert isinstance(movie, Movie)
        assert (movie._log, movie._gamma) == (True, 0.7)
    wait_until(lambda: task.outcome, controller)
    assert (tmp_path / "x.gif").exists()


def test_another_field_begins_without_logarithm_and_switching_it_on_leaves_symmetric_levels(
    controller: Controller, tmp_path: Path
) -> None:
    opened(controller, "plane", False, tmp_path)
    controller.levels_symmetric()
    controller.toggle_log()
    settings = controller.model.view_settings
    assert settings is not None
    assert (settings.level_mode, settings.log) == ("range", True)
    controller.levels_symmetric()
    assert controller.model.view_settings is not None
    assert not controller.model.view_settings.log
    controller.toggle_log()
    controller.next_field()
    assert not controller.model.view_settings.log


# -- several fields ----------------------------------------------------------------------------------------------

FIELDS = ["channel_0", "channel_1", "channel_2"]


def open_channels(controller: Controller, grid: str, recorded: bool, tmp_path: Path) -> list[NDArray[np.float64]]:
    """Opens a source of three channels; returns the values `(h, w)` of `FIELDS` in the last rows of its plane."""
    sides = GRIDS[grid]
    cells = np.random.default_rng(2).uniform(0.05, 1, (3, *sides)).astype(np.float32)
    motor = Aetheria_Motor(torch.nn.Identity(), sides, 3, "cpu", {"plan": "eager"}, initial=cells)
    if recorded:
        with Recorder(motor, tmp_path / "x.h5", fields=FIELDS):
            motor.step(1)
        controller.open(RecordingSource(Recording(tmp_path / "x.h5")))
    else:
        controller.open(live(motor))
    controller.set_field("channel_0")
    controller.levels_range()
    return [one[None] if grid == "row" else one[5] if grid == "slice" else one for one in cells.astype(np.float64)]


def places(values: NDArray[np.float64], levels: tuple[float, float]) -> NDArray[np.float64]:
    return 255 * (values - levels[0]) / (levels[1] - levels[0])


@pytest.mark.parametrize("recorded", [False, True], ids=["live", "recorded"])
@pytest.mark.parametrize("grid", GRIDS)
def test_three_fields_are_red_green_and_blue_each_between_its_levels(
    grid: str, recorded: bool, controller: Controller, tmp_path: Path
) -> None:
    values = open_channels(controller, grid, recorded, tmp_path)
    controller.set_mix("rgb")
    controller.change_mix(fields=("channel_1", "channel_2"))
    frame = shown(controller)
    levels = [frame.levels, *frame.other_levels]
    assert levels == [pytest.approx((one.min(), one.max()), rel=1e-4) for one in values]
    for k, (one, ends) in enumerate(zip(values, levels, strict=True)):
        assert np.abs(frame.pixels[-len(one) :, :, k] - places(one, ends)).max() < 0.52
    controller.levels_locked()
    settings = controller.model.view_settings
    assert settings is not None
    assert settings.mix is not None
    assert (settings.levels, *settings.mix.levels) == tuple(levels)
    assert [shown(controller).levels, *frame.other_levels] == levels


@pytest.mark.parametrize("grid", GRIDS)
def test_a_blend_is_the_mean_of_two_fields_in_their_colours(grid: str, controller: Controller, tmp_path: Path) -> None:
    values = open_channels(controller, grid, False, tmp_path)
    controller.model.change_view(colours="magma")
    controller.set_mix("blend")
    controller.change_mix(fields=("channel_2",), colours="ice", share=0.25)
    frame = shown(controller)
    levels = (frame.levels, *frame.other_levels)
    index = [np.round(places(one, ends)).astype(int) for one, ends in zip(values[::2], levels, strict=True)]
    wanted = 0.75 * colour_map("magma")[index[0]] + 0.25 * colour_map("ice")[index[1]]
    assert np.abs(frame.pixels[-len(values[0]) :] - wanted).max() <= 5  # a place of a map apart


def test_a_mix_is_saved_and_filmed_as_it_is_shown(controller: Controller, tmp_path: Path) -> None:
    open_channels(controller, "plane", False, tmp_path)
    controller.set_mix("rgb")
    frame = shown(controller)
    controller.save.save_cells(tmp_path / "x.png")
    wait_until((tmp_path / "x.png").exists, controller)
    with Image.open(tmp_path / "x.png") as image:
        assert np.array_equal(np.asarray(image), frame.pixels)
    open_channels(controller, "plane", True, tmp_path)
    controller.set_mix("rgb")
    frame = shown(controller)
    controller.film.film_recording(tmp_path / "x.gif", 1, 10.0)
    task = controller.film.task
    assert isinstance(task, RecordingFilm)
    wait_until(lambda: task.outcome, controller)
    with Recording(tmp_path / "x.h5") as recording:
        first = np.asarray(next(iter(task.export.images(recording))))
    assert np.abs(first.astype(int) - frame.pixels).max() <= 1
    with Image.open(tmp_path / "x.gif") as image:
        assert image.size == (32, 24)


def test_the_fields_of_a_mix_follow_the_displayed_one_and_are_never_colours_of_their_own(controller: Controller) -> None:
    motor = Aetheria_Motor(GrowingNCA(channels=5, hidden_channels=8), (12, 20), 5, "cpu", {"plan": "eager"}, initial="noise")
    controller.open(live(motor))
    settings = controller.model.view_settings
    assert settings is not None
    assert settings.field == "rgb"
    for kind in ("rgb", "blend", None):
        controller.next_mix()
        settings = controller.model.view_settings
        assert settings is not None
        assert (settings.mix and settings.mix.kind) == kind
        assert settings.field == controller.mixable[0]
        assert "rgb" not in settings.fields
        assert shown(controller).mix == (() if settings.mix is None else (kind, *settings.mix.fields))
    controller.set_mix("rgb")
    controller.set_field("rgb")
    settings = controller.model.view_settings
    assert settings is not None
    assert settings.mix is None


def test_with_one_field_the_next_one_is_itself_and_its_levels_stay_locked(controller: Controller, tmp_path: Path) -> None:
    motor = motor_of((24, 32))
    with Recorder(motor, tmp_path / "x.h5", fields=["channel_0"]):
        motor.step(1)
    controller.open(RecordingSource(Recording(tmp_path / "x.h5")))
    controller.levels_locked((0.25, 0.5))
    controller.next_field()
    controller.previous_field()
    settings = controller.model.view_settings
    assert settings is not None
    assert (settings.level_mode, settings.levels) == ("locked", (0.25, 0.5))
