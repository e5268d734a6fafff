"""The picture that a run leaves: its levels, logarithm and gamma."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.observe.colour_maps import colour_map
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig
from aetheria.runs.last_picture import check_picture
from aetheria.runs.run import build_motor, run

GREY: dict[str, Any] = {"field": "channel_0", "colour_map": "grey", "scale": 1}


def config_of(shape: list[int], law: str = "Lenia", **picture: Any) -> RunConfig:
    return RunConfig.checked(
        {
            "steps": 6,
            "device": "cpu",
            "grid": {"shape": shape},
            "law": {"name": law} | ({"R": 4} if law == "Lenia" else {}),
            "motor": {"plan": "eager"},
            "record": {"fields": ["channel_0"], "every": 1},
            "picture": picture,
        },
        "",
    )


def pixels_and_values(config: RunConfig, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture that the run leaves, and the recorded values of universe 0, of all frames of a row."""
    result = run(config, path)
    assert result.picture is not None
    with Image.open(result.picture) as image, Recording(path) as recording:
        frames = np.stack([frame["channel_0"][0] for frame in recording])
        return np.asarray(image.convert("RGB")), (frames if frames.ndim == 2 else frames[-1]).astype(np.float64)


@pytest.mark.parametrize("shape", [[20, 24], [24]])
def test_colours_by_the_logarithm_and_a_gamma(shape: list[int], tmp_path: Path) -> None:
    config = config_of(shape, **GREY, levels=[1e-3, 1.0], log=True, gamma=0.5)
    pixels, values = pixels_and_values(config, tmp_path / "run.h5")
    share = (np.log10(np.clip(values, 1e-3, 1.0)) + 3) / 3
    places = np.clip(share * 256, 0, 255).astype(int)
    expected = colour_map("grey")[np.round(255 * np.sqrt(np.arange(256) / 255)).astype(int)][places]
    difference = np.abs(pixels.astype(int) - expected)
    assert difference.max() <= 3  # the recorded values are of 32 bits: some are at the edge of a colour
    assert len(np.unique(pixels)) > 20


def test_without_levels_a_logarithm_takes_those_of_the_values_above_zero(tmp_path: Path) -> None:
    pixels, values = pixels_and_values(config_of([20, 24], **GREY, log=True), tmp_path / "run.h5")
    positive = values > 0
    assert 0 < positive.mean() < 1
    assert np.all(pixels[~positive] == colour_map("grey")[0])
    order = np.argsort(values, axis=None)
    assert np.all(np.diff(pixels[..., 0].ravel()[order].astype(int)) >= 0)


@pytest.mark.parametrize(
    ("law", "picture", "words"),
    [
        (
            "Lenia",
            {**GREY, "log": True, "levels": [0.0, 1.0]},
            r"^\[picture\] levels: \[0.0, 1.0\] given; expected numbers above 0",
        ),
        ("GrowingNCA", {"field": "rgb", "log": True}, r"^\[picture\] log, gamma: the field rgb has colours of its own"),
        ("GrowingNCA", {"field": "rgb", "gamma": 2.0}, r"^\[picture\] log, gamma: the field rgb has colours of its own"),
    ],
)
def test_settings_that_cannot_be_met_are_refused_before_the_run(law: str, picture: dict[str, Any], words: str) -> None:
    config = config_of([20, 24], law, **picture)
    with build_motor(config) as motor, pytest.raises(ConfigError, match=words):
        check_picture(config, motor)


@pytest.mark.parametrize("gamma", [0.0, 11.0])
def test_a_gamma_out_of_its_range_is_refused(gamma: float) -> None:
    with pytest.raises(ConfigError, match=r"^\[picture\] gamma: "):
        config_of([20, 24], gamma=gamma)
