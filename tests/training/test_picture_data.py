"""Pictures as training data: sources, statistics, patches, splits, the cache, and bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError, FileUnreadableError, StateError
from aetheria.training.picture_data import PictureData
from aetheria.training.piece_cache import PieceCache
from aetheria.training.stacks import open_stack
from aetheria.training.statistics import statistics_of


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def values() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, (10, 6, 8)).astype(np.uint8)


def save(values: NDArray[np.uint8], folder: Path, kind: str) -> Path:
    path = folder / f"own{kind}"
    match kind:
        case ".npy":
            np.save(path, values)
        case ".npz":
            np.savez_compressed(path, pictures=values, labels=np.arange(len(values)) % 3)
        case ".zarr":
            zarr = pytest.importorskip("zarr")
            zarr.save_array(path, values)
        case _:
            path.mkdir()
            for number, one in enumerate(values):
                Image.fromarray(one).save(path / f"{number:03}.{'tiff' if number % 2 else 'png'}")
    return path


@pytest.mark.parametrize("kind", [".npy", ".npz", ".zarr", ""])
def test_every_source_gives_the_same_pictures(kind: str, values: NDArray[np.uint8], tmp_path: Path) -> None:
    data = PictureData(str(save(values, tmp_path, kind)), (6, 8))
    assert len(data) == 10
    assert data.shape == (1, 6, 8)
    for number in (7, 0, 7):
        np.testing.assert_allclose(data.sample(number, rng()).picture[0], values[number] / np.float32(255), atol=1e-6)


def test_folders_are_classes_and_colours_come_last_or_first(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.fromarray(np.full((3, 3, 3), (10, 20, 30), np.uint8)).save(tmp_path / "pictures" / name / "one.png")
    stack = open_stack(str(tmp_path / "pictures"))
    assert (stack.labels, stack.classes) == ([0, 1], ["a", "b"])
    assert stack.read(0)[:, 0, 0].tolist() == pytest.approx([10 / 255, 20 / 255, 30 / 255])
    last, first = np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 3, 8, 8), np.float32)
    for name, array in (("last", last), ("first", first)):
        np.save(tmp_path / f"{name}.npy", array)
        assert open_stack(str(tmp_path / f"{name}.npy")).read(1).shape == (3, 8, 8)


def test_an_array_is_not_read_before_its_pictures_are_wanted(tmp_path: Path) -> None:
    with (tmp_path / "large.npy").open("wb") as file:  # 40 GB of a sparse file
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**4, 1000, 1000)})
        file.truncate(file.tell() + 4 * 10**10)
    train, held_out = PictureData(str(tmp_path / "large.npy"), (10, 10), patches=True).split(0.25)
    assert (len(train), len(held_out)) == (7500, 2500)
    assert train.sample(5000, rng()).picture.shape == (1, 10, 10)


def test_statistics_are_those_of_all_values() -> None:
    pictures = [np.random.default_rng(n).normal(3, 2, (2, 5, n + 1)).astype(np.float32) for n in range(6)]
    found = statistics_of(iter(pictures))
    whole = np.concatenate(pictures, 2).astype(np.float64).reshape(2, -1)
    np.testing.assert_allclose(found.mean, whole.mean(1))
    np.testing.assert_allclose(found.deviation, whole.std(1))
    np.testing.assert_allclose(found.low, whole.min(1))
    np.testing.assert_allclose(found.high, whole.max(1))


def test_pictures_are_normalised_and_scaled(values: NDArray[np.uint8], tmp_path: Path) -> None:
    path = str(save(values, tmp_path, ".npy"))
    own = torch.cat([PictureData(path, (6, 8), normalise="mean_std").sample(n, rng()).picture for n in range(10)])
    assert float(own.mean()) == pytest.approx(0, abs=1e-4)
    assert float(own.std()) == pytest.approx(1, abs=1e-2)
    unit = torch.cat([PictureData(path, (6, 8), normalise="min_max").sample(n, rng()).picture for n in range(10)])
    assert (float(unit.min()), float(unit.max())) == (0, 1)
    assert PictureData(path, (3, 4)).sample(0, rng()).picture.shape == (1, 3, 4)


def test_patches_are_parts_of_the_pictures_and_of_their_masks(values: NDArray[np.uint8], tmp_path: Path) -> None:
    path = str(save(values, tmp_path, ".npy"))
    data = PictureData(path, (3, 4), patches=True, masks=path)
    corners = set()
    for seed in range(20):
        one = data.sample(2, rng(seed))
        assert one.mask is not None
        assert torch.equal(one.mask, (one.picture[0] * 255).round().long())
        found = [(y, x) for y in range(4) for x in range(5) if np.array_equal(values[2, y : y + 3, x : x + 4], one.mask)]
        assert len(found) == 1
        corners.add(found[0])
    assert len(corners) > 5


def test_a_split_shares_no_picture_and_uses_all(values: NDArray[np.uint8], tmp_path: Path) -> None:
    data = PictureData(str(save(values, tmp_path, ".npy")), (6, 8))
    train, held_out = data.split(0.3)
    assert len(held_out) == 3
    assert sorted([*train.numbers, *held_out.numbers]) == list(range(10))
    data.cancel()
    with pytest.raises(StateError, match="reading was cancelled"):
        train.sample(0, rng())


def test_the_cache_holds_what_was_used_last() -> None:
    cache, decoded = PieceCache(2 * 400), list[int]()

    def piece(number: int) -> NDArray[np.float32]:
        decoded.append(number)
        return np.full(100, number, np.float32)

    for number in (1, 2, 1, 3, 1, 2):
        assert cache.get(number, lambda number=number: piece(number))[0] == number  # type: ignore[misc]
    assert decoded == [1, 2, 3, 2]
    assert cache.hit_rate == pytest.approx(2 / 6)
    nothing = PieceCache(0)
    nothing.get(1, lambda: piece(1))
    nothing.get(1, lambda: piece(1))
    assert nothing.hits == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": "missing.npy"}, "missing.npy: cannot be read"),
        ({"path": "text.npy"}, "text.npy: cannot be read"),
        ({"path": "flat.npy"}, r"an array \(4, 4\) of float32; expected a folder"),
        ({"path": "empty"}, "no image in it"),
        ({"path": "two.npz"}, "holds a, b; expected one array of pictures"),
        ({"path": "pictures.txt"}, "expected a folder of images"),
        ({"path": "good.npy", "masks": "more.npy"}, "5 masks of 4 pictures; expected one each"),
        ({"path": "good.npy", "side": (9, 9), "patches": True}, "a picture of 8 x 8 is smaller than a patch"),
    ],
)
def test_bad_data_are_refused(given: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("text.npy").write_text("no array")
    np.save("flat.npy", np.zeros((4, 4), np.float32))
    np.save("good.npy", np.zeros((4, 8, 8), np.float32))
    np.save("more.npy", np.zeros((5, 8, 8), np.float32))
    np.savez("two.npz", a=np.zeros((4, 8, 8)), b=np.zeros((4, 8, 8)))
    settings = {"side": (8, 8)} | given
    with pytest.raises((ConfigError, FileUnreadableError), match=said):
        PictureData(**settings).sample(0, rng())


def test_digits_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.training.stacks.installed", lambda _: False)
    with pytest.raises(ConfigError, match=r"digits needs scikit-learn: pip install '.\[digits\]'"):
        open_stack("digits")


def test_digits_are_those_of_scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra digits)")
    stack = open_stack("/anywhere/digits")
    assert (stack.count, len(stack.classes)) == (1797, 10)
    assert stack.read(0).shape == (1, 8, 8)
