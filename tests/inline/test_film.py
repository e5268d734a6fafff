"""Films of recordings: what a notebook shows, what a file holds, and wrong arguments."""

import base64
import importlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from aetheria import Aetheria_Motor, Recorder, Recording, build_law
from aetheria.core.errors import ConfigError, RecordingError


def recorded(path: Path, law: str = "Life", grid: tuple[int, ...] = (12, 16), fields: tuple[str, ...] = ("channel_0",)) -> Path:
    with (
        Aetheria_Motor(build_law(law), grid, device="cpu", cfg={"plan": "eager"}, initial="noise", seed=2) as motor,
        Recorder(motor, path, fields=fields, every=2),
    ):
        motor.step(10)
    return path


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("films") / "life.h5")


@pytest.fixture
def no_av(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = importlib.import_module("aetheria.inline.film")
    monkeypatch.setattr(module, "find_spec", lambda _: None)


def embedded(html: str, tag: str, kind: str) -> bytes:
    found = re.fullmatch(rf'<{tag} [^>]*src="data:{kind};base64,([^"]+)">(</{tag}>)?', html)
    assert found, html[:200]
    return base64.b64decode(found[1])


@pytest.mark.usefixtures("no_av")
def test_without_pyav_it_is_a_gif_of_the_cells(life: Path, tmp_path: Path) -> None:
    with Recording(life) as recording:
        film = recording.movie(fps=10, scale=1)
        cells = [frame["channel_0"][0] > 0 for frame in recording]
    shown = embedded(film._repr_html_(), "img", "image/gif")
    images = [np.asarray(image.convert("L")) > 127 for image in ImageSequence.Iterator(Image.open(io.BytesIO(shown)))]
    np.testing.assert_array_equal(images, cells)
    assert film.save(tmp_path / "life.gif").read_bytes() == shown, "a closed recording, and the same format"
    assert repr(film).startswith("<Film: channel_0, 6 frames, ")


def test_a_film_is_an_mp4_and_may_be_saved_as_a_gif(life: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with Recording(life) as recording:
        film = recording.movie("channel_0", fps=10, first=2, every=2)
        gif = film.save(tmp_path / "life.gif")
    with Image.open(gif) as image:
        assert image.size == (16 * 24, 12 * 24), "enlarged"
    shown = embedded(film._repr_html_(), "video", "video/mp4")
    with av.open(io.BytesIO(shown)) as video:
        assert [(frame.width, frame.height) for frame in video.decode(video=0)] == [(16 * 24, 12 * 24)] * 3
    with pytest.raises(RecordingError, match="closed"):
        film.save(tmp_path / "late.gif")
    assert not (tmp_path / "late.gif").exists()


def test_a_row_of_cells_is_a_picture_of_space_and_time(tmp_path: Path) -> None:
    with Recording(recorded(tmp_path / "row.h5", "Elementary", (20,), ("state",))) as recording:
        film = recording.movie(scale=1, colours="grey")
        rows = [frame["state"][0] for frame in recording]
        with pytest.raises(ConfigError, match=r"has a single axis, and so no movie; expected \.png"):
            film.save(tmp_path / "row.gif")
    image = Image.open(io.BytesIO(embedded(film._repr_html_(), "img", "image/png")))
    np.testing.assert_array_equal(np.asarray(image.convert("L")) > 127, np.array(rows) > 0)


def test_a_volume_is_cut(tmp_path: Path) -> None:
    with Recording(recorded(tmp_path / "volume.h5", "Life3D", (4, 8, 10), ("state",))) as recording:
        assert recording.movie(slice={"z": 2}).frames == 6
        with pytest.raises(ConfigError, match="a 3-D field needs a slice"):
            recording.movie()


@pytest.mark.usefixtures("no_av")
def test_a_film_too_large_for_a_notebook_is_named_instead(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.inline.film._MAX_BYTES", 100)
    with Recording(life) as recording:
        assert "too large for a notebook; save it by" in recording.movie()._repr_html_()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"field": "stat"}, "stat: not recorded"),
        ({"fps": 0}, "movie fps: 0 given"),
        ({"universe": 1}, "universe: 1 given; expected 0, the only one"),
        ({"first": 11}, "no frame between steps 11"),
        ({"colours": "hot potato"}, 'colour_map: "hot potato"'),
        ({"every": 0}, "every: 0 given"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(life: Path, given: dict[str, Any], words: str) -> None:
    with Recording(life) as recording, pytest.raises(ConfigError, match=words):
        recording.movie(**given)
