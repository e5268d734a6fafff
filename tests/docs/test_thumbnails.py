"""The thumbnails of shipped configs: pictures of grids of one, two and three axes."""

import numpy as np
import thumbnails

from aetheria.observe.colour_maps import paint
from aetheria.runs.config import RunConfig, load_config, shipped_configs
from aetheria.runs.run import build_motor
from tests.paths import ROOT


def small(name: str, *overrides: str) -> RunConfig:
    return load_config(name, ["motor.plan=eager", *overrides])


def test_a_grid_of_one_axis_is_shown_row_by_row_as_time_goes_on() -> None:
    config = small("lenia_1d", "grid.width=64")
    shown = np.asarray(thumbnails.space_time(config, 96))
    assert shown.shape == (48, 64, 3)
    with build_motor(config, "cpu") as motor:
        for row in shown:
            np.testing.assert_array_equal(row, paint(motor.cells[0, 0].numpy(), (0, 1), "ember"))
            motor.step(2)


def test_a_grid_of_three_axes_is_shown_by_its_slice_or_by_the_maximum_over_z() -> None:
    config = small("lenia_3d", "grid.depth=20", "grid.height=24", "grid.width=32", "picture.slice.z=9")
    free = config.model_copy(update={"picture": config.picture.model_copy(update={"slice": None})})
    with build_motor(config, "cpu") as motor:
        motor.step(3)
        cells = motor.cells[0, 0].numpy()
    for given, values in ((config, cells[9]), (free, cells.max(0))):
        np.testing.assert_array_equal(np.asarray(thumbnails.last_state(given, 3)), paint(values, (0, 1), "ember"))


def test_every_shipped_config_has_a_thumbnail() -> None:
    assert {file.stem for file in (ROOT / "configs" / "thumbnails").glob("*.png")} == set(shipped_configs())
