"""Initial cells: each kind, where they are placed, how they are scaled, and what is refused."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError, StateError
from aetheria.laws import MLP, GrowingNCA, Lenia, Life, lenia_animal
from aetheria.motor.initial import Initial, make_initial
from tests.small_laws import NAMES, QUANTUM, small_law, wrapped


def cells(law: nn.Module, kind: str, size: tuple[int, int] = (12, 16), *, batch: int = 1, seed: int = 0, **more: Any) -> Tensor:
    shape = (batch, wrapped(law).channels, *size)
    return make_initial(Initial.checked({"kind": kind} | more, "initial"), wrapped(law), shape, seed)


# -- noise, seeds, phases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_noise_has_the_grids_shape_is_finite_and_follows_the_seed(name: str) -> None:
    law = small_law(name)
    one = cells(law, "noise", batch=2, seed=5)
    assert one.shape == (2, wrapped(law).channels, 12, 16)
    assert one.dtype == torch.float32
    assert one.isfinite().all()
    assert torch.equal(cells(law, "noise", batch=2, seed=5), one)
    assert not torch.equal(cells(law, "noise", batch=2, seed=6), one)


@pytest.mark.parametrize("kind", ["noise", "random_phase"])
def test_a_universe_does_not_depend_on_the_batch_and_differs_from_the_others(kind: str) -> None:
    law = small_law("MLP")
    many = cells(law, kind, batch=4, seed=3)
    assert torch.equal(cells(law, kind, batch=2, seed=3), many[:2])
    assert all(not torch.equal(many[a], many[b]) for a in range(4) for b in range(a))
    # Universe 1 of seed 3 is no universe of seed 4 either.
    assert not torch.equal(cells(law, kind, batch=1, seed=4)[0], many[1])


@pytest.mark.parametrize("name", QUANTUM)
@pytest.mark.parametrize("kind", ["noise", "random_phase", "seed"])
def test_amplitudes_start_normalised_as_the_law_normalises(name: str, kind: str) -> None:
    grid = cells(small_law(name, normalise="grid"), kind, batch=2).double().square()
    np.testing.assert_allclose(grid.sum((1, 2, 3)), 1, rtol=1e-5)
    each = cells(small_law(name, normalise="cell"), kind).double().square().sum(1)
    np.testing.assert_allclose(each[each > 0], 1, rtol=1e-5)
    assert bool((each > 0).all()) == (kind != "seed")


def test_free_noise_has_mean_density_one_and_is_gaussian() -> None:
    given = cells(small_law("MLP", normalise="none"), "noise", (200, 200)).double()
    density = given.square().sum(1)
    assert float(density.mean()) == pytest.approx(1, abs=0.02)
    scaled = given / given.std()
    assert float((scaled**4).mean()) == pytest.approx(3, abs=0.1)


def test_random_phases_have_equal_sizes_and_even_angles() -> None:
    law = small_law("MLP", normalise="none")
    given = cells(law, "random_phase", (150, 150)).double()
    re, im = given[:, :2], given[:, 2:]
    np.testing.assert_allclose(re**2 + im**2, 1 / 2, rtol=1e-5)
    angle = torch.atan2(im, re)
    counts = torch.histc(angle, 8, -np.pi, np.pi)
    expected = angle.numel() / 8
    assert float((counts - expected).abs().max()) < 5 * expected**0.5


def test_a_soup_of_life_has_a_third_of_its_cells_alive() -> None:
    soup = cells(Life(), "noise", (200, 200))
    assert set(soup.unique(sorted=True).tolist()) == {0.0, 1.0}
    assert float(soup.mean()) == pytest.approx(0.35, abs=5 * (0.35 * 0.65 / 40000) ** 0.5)


def test_a_seed_is_one_live_cell_in_the_middle_or_where_it_is_asked_for() -> None:
    law = GrowingNCA(6, 4)
    for asked, at in ((None, (6, 8)), ([2.0, 15.0], (2, 15)), ([0.0, 0.0], (0, 0))):
        given = cells(law, "seed", at=asked)
        assert given[0, :, at[0], at[1]].tolist() == [0, 0, 0, 1, 1, 1]
        assert float(given.sum()) == 3
    quantum = cells(small_law("MLP"), "seed")
    assert torch.nonzero(quantum).tolist() == [[0, 0, 6, 8]]


def test_what_suits_the_law_comes_when_nothing_is_asked_for() -> None:
    assert float(make_initial(None, GrowingNCA(4, 4), (1, 4, 8, 8), 0).sum()) == 1
    assert torch.equal(make_initial(None, Life(), (1, 1, 8, 8), 3), cells(Life(), "noise", (8, 8), seed=3))
    orbium = make_initial(None, Lenia("O2u"), (1, 1, 40, 40), 0)
    assert torch.equal(orbium, cells(Lenia(), "animal", (40, 40), code="O2u"))


# -- patterns ----------------------------------------------------------------------------------------------------


def test_an_animal_is_placed_about_the_middle_or_the_place_given() -> None:
    animal = lenia_animal("O2u").cells
    height, width = animal.shape
    for asked, at in ((None, (20, 25)), ([12.0, 33.0], (12, 33))):
        given = cells(Lenia("O2u"), "animal", (40, 50), batch=2, at=asked).numpy()
        expected = np.zeros((40, 50), np.float32)
        top, left = at[0] - height // 2, at[1] - width // 2
        expected[top : top + height, left : left + width] = animal
        assert np.array_equal(given[0, 0], expected)
        assert np.array_equal(given[1], given[0])


@pytest.fixture
def glider(tmp_path: Path) -> str:
    path = tmp_path / "glider.rle"
    path.write_text("x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!")
    return str(path)


def test_an_rle_pattern_is_placed_and_scaled_by_whole_numbers(glider: str) -> None:
    drawn = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]])
    given = cells(Life(), "rle", path=glider, at=[2.0, 5.0]).numpy()[0, 0]
    assert np.array_equal(given[1:4, 4:7], drawn)
    assert given.sum() == 5
    large = cells(Life(), "rle", path=glider, scale=3.0).numpy()[0, 0]
    assert np.array_equal(large[2:11, 4:13], np.kron(drawn, np.ones((3, 3))))
    with pytest.raises(ConfigError, match=r"scale: 1\.5 given; .* whole numbers only"):
        cells(Life(), "rle", path=glider, scale=1.5)


@pytest.mark.parametrize("rule", ["B3/S23", "23/3", "S23/B3", "b3s23", "Life", "B3/S23:T16,12"])
def test_a_pattern_of_the_laws_own_rule_says_nothing(rule: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "g.rle").write_text(f"x = 3, y = 3, rule = {rule}\nbo$2bo$3o!")
    with caplog.at_level(logging.WARNING):
        assert cells(Life("23/3"), "pattern", path=str(tmp_path / "g.rle")).sum() == 5
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("law", "rule", "words"),
    [
        (Life(), "R5,C0,M1,S34..58,B34..45,NM", "was made for rule R5,C0,M1,S34..58,B34..45,NM and runs under B3/S23"),
        (Life(), "WireWorld", "was made for rule WireWorld and runs under B3/S23"),
        (Life(), "B3/T23", "was made for rule B3/T23 and runs under B3/S23"),
        (Lenia(R=3), "B3/S23", "was made for rule B3/S23 and runs under Lenia"),
        (Life(), "B3/S23:P12,12", "was made for a plane of 12 x 12 cells (rule B3/S23:P12,12) and runs on a torus of 12 x 16"),
        (
            Life(boundary="zero"),
            "B3/S23:T16,12",
            "was made for a torus of 12 x 16 cells (rule B3/S23:T16,12)",
        ),
        (Life(), "B3/S23:K16*,12", "was made for a Klein bottle of 12 x 16 cells"),
    ],
)
def test_another_rule_or_bounded_grid_is_said_in_full(
    law: nn.Module, rule: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "g.rle").write_text(f"x = 3, y = 3, rule = {rule}\nbo$2bo$3o!")
    with caplog.at_level(logging.WARNING):
        cells(law, "rle", path=str(tmp_path / "g.rle"))
    assert len(caplog.messages) == 1
    assert words in caplog.text


def test_patterns_of_every_format_are_initial_cells_under_both_names_of_the_kind(tmp_path: Path) -> None:
    (tmp_path / "g.cells").write_text("!Name: Glider\n.O.\n..O\nOOO\n")
    for kind in ("pattern", "rle"):
        assert cells(Life(), kind, path=str(tmp_path / "g.cells")).sum() == 5
        assert cells(Lenia(R=3), kind, path=str(tmp_path / "g.cells")).max() == 1


def test_the_letters_of_an_rle_are_levels_of_lenia_and_o_is_the_highest(tmp_path: Path) -> None:
    (tmp_path / "g.rle").write_text("oAyObpA!")
    given = cells(Lenia(R=3), "rle", path=str(tmp_path / "g.rle"))[0, 0, 6, 6:11]
    np.testing.assert_allclose(given, [1, 1 / 255, 1, 0, 25 / 255], rtol=1e-6)


def test_a_box_that_leaves_the_grid_is_cut_to_its_live_cells_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "g.rle").write_text("x = 500, y = 400, rule = B3/S23\n9$7b3o!")
    with caplog.at_level(logging.WARNING):
        given = cells(Life(), "pattern", path=str(tmp_path / "g.rle"))
    assert torch.nonzero(given[0, 0]).tolist() == [[6, 7], [6, 8], [6, 9]]
    assert "its box of 400 x 500 cells leaves the grid of 12 x 16; placed by the 1 x 3 cells that hold live ones" in caplog.text


def test_a_pattern_made_for_another_rule_is_said_so_and_runs(glider: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        cells(Life("B3/S23"), "rle", path=glider)
        assert not caplog.records
        cells(Life("B36/S23"), "rle", path=glider)
    assert "made for rule B3/S23 and runs under B36/S23" in caplog.text


def test_states_beyond_one_are_refused_by_life_and_read_as_255ths_by_lenia(tmp_path: Path) -> None:
    path = tmp_path / "grey.rle"
    path.write_text(".AXpAyO!")
    with pytest.raises(StateError, match="states up to 255; Life has states 0 to 1"):
        cells(Life(), "rle", path=str(path))
    given = cells(Lenia(), "rle", (1, 5), path=str(path))
    np.testing.assert_allclose(given[0, 0, 0] * 255, [0, 1, 24, 25, 255], rtol=1e-6)


def test_an_array_is_read_as_one_grid_as_channels_or_as_universes(tmp_path: Path) -> None:
    path, law = tmp_path / "a.npy", GrowingNCA(4, 4)
    random = np.random.default_rng(0)
    for shape in ((12, 16), (4, 12, 16), (3, 4, 12, 16)):
        array = random.normal(size=shape)
        np.save(path, array)
        given = cells(law, "npy", batch=3, path=str(path)).numpy()
        if len(shape) == 2:  # one number a cell: as much of a live cell
            assert not given[:, :3].any()
            np.testing.assert_array_equal(given[0, 3], array.astype(np.float32))
        else:
            np.testing.assert_array_equal(given, np.broadcast_to(array.astype(np.float32), (3, 4, 12, 16)))


def test_an_array_of_any_real_type_is_read(tmp_path: Path) -> None:
    for kind in (bool, np.uint8, np.int64, np.float16, ">f8"):
        np.save(tmp_path / "a.npy", np.eye(4).astype(kind))
        assert torch.equal(cells(Life(), "npy", (4, 4), path=str(tmp_path / "a.npy"))[0, 0], torch.eye(4))


def test_a_smooth_pattern_scales_by_any_number_and_keeps_its_mean(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((6, 8), 0.25))
    for scale, shape in ((2.0, (12, 16)), (0.5, (3, 4)), (1.5, (9, 12))):
        given = cells(Lenia(), "npy", (20, 30), path=str(tmp_path / "a.npy"), scale=scale)
        assert torch.count_nonzero(given) == shape[0] * shape[1]
        assert float(given.max()) == pytest.approx(0.25)


def rgba(tmp_path: Path) -> tuple[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    pixels = np.random.default_rng(4).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    pixels[1, 2] = (200, 100, 50, 0)  # colour under no alpha: must not show
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return str(tmp_path / "a.png"), pixels


def test_a_png_becomes_colours_premultiplied_by_alpha(tmp_path: Path) -> None:
    path, pixels = rgba(tmp_path)
    given = cells(GrowingNCA(6, 4), "image", (5, 7), path=path)[0].double().numpy()
    share = pixels / 255
    np.testing.assert_allclose(given[:3], (share[..., :3] * share[..., 3:]).transpose(2, 0, 1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(given[3], share[..., 3], rtol=0, atol=1e-6)
    assert np.array_equal(given[4], share[..., 3] > 0)
    assert not given[:, 1, 2].any()


def test_a_png_becomes_brightness_for_a_law_without_colours(tmp_path: Path) -> None:
    path, pixels = rgba(tmp_path)
    share = pixels / 255
    bright = (share[..., :3] * share[..., 3:]) @ [0.2126, 0.7152, 0.0722]
    np.testing.assert_allclose(cells(Lenia(), "image", (5, 7), path=path)[0, 0], bright, rtol=0, atol=1e-6)
    amplitudes = cells(small_law("MLP", normalise="none"), "image", (5, 7), path=path)[0]
    np.testing.assert_allclose(amplitudes[0], bright, rtol=0, atol=1e-6)
    assert not amplitudes[1:].any()


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"kind": "nois"}, r"\[initial\] kind: 'nois' given"),
        ({"kind": "noise", "pth": "a"}, r"\[initial\] pth: unknown key; did you mean path"),
        ({"kind": "seed", "at": [1.0]}, r"\[initial\] at: "),
        ({"kind": "seed", "at": [1.0, float("nan")]}, r"\[initial\.at\] 1: nan given"),
        ({"kind": "seed", "scale": 0.0}, r"\[initial\] scale: 0\.0 given"),
        ({"kind": "seed", "scale": 1e9}, r"\[initial\] scale: "),
        ({"kind": "rle"}, r'\[initial\] path: missing; kind "rle" reads a file'),
        ({"kind": "animal", "code": "O2uu"}, "did you mean"),
        ({"kind": "random_phase"}, "needs a law of complex amplitudes"),
    ],
)
def test_a_wrong_setting_is_refused_where_it_stands(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cells(Lenia(), **asked)


@pytest.mark.parametrize("at", [[0.0, 8.0], [11.0, 8.0], [6.0, 0.0], [6.0, 99.0], [-5.0, 8.0]])
def test_a_pattern_that_leaves_the_grid_is_refused(at: list[float], glider: str) -> None:
    with pytest.raises(StateError, match=r"pattern of 3 x 3 cells centred at .* leaves the grid of 12 x 16"):
        cells(Life(), "rle", path=glider, at=at)


def test_a_scale_that_would_fill_the_memory_is_refused_before_it_does(tmp_path: Path) -> None:
    Image.new("RGBA", (1000, 1000)).save(tmp_path / "a.png")
    with pytest.raises(StateError, match=r"pattern of 1024000 x 1024000 cells at scale 1024 leaves the grid of 12 x 16"):
        cells(GrowingNCA(16, 4), "image", path=str(tmp_path / "a.png"), scale=1024.0)


@pytest.mark.parametrize("shape", [(3, 12, 16), (2, 4, 12, 16)])
def test_an_array_of_other_channels_or_universes_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(StateError, match=r"universes of . channels in .*a\.npy; the run has 3 of 4"):
        cells(GrowingNCA(4, 4), "npy", batch=3, path=str(tmp_path / "a.npy"))


@pytest.mark.parametrize("content", ["objects", "complex", "text", "1d", "5d", "empty", "archive"])
def test_an_npy_file_of_anything_but_a_grid_of_numbers_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    arrays: dict[str, Any] = {
        "objects": np.array([[{"a": 1}, None]], dtype=object),
        "complex": np.ones((2, 2), complex),
        "text": np.array([["a", "b"]]),
        "1d": np.ones(4),
        "5d": np.ones((1, 1, 1, 2, 2)),
        "empty": np.ones((0, 4)),
    }
    if content == "archive":
        np.savez(tmp_path / "a.npz", a=np.ones((2, 2)))
        (tmp_path / "a.npz").rename(path)
    else:
        np.save(path, arrays[content], allow_pickle=True)
    with pytest.raises(FileUnreadableError, match=r"a\.npy: "):
        cells(Life(), "npy", path=str(path))


class Malicious:
    """Makes a folder where it is unpickled without care."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


def test_an_npy_file_never_runs_code(tmp_path: Path) -> None:
    path, victim = tmp_path / "evil.npy", tmp_path / "it-ran"
    np.save(path, np.array([[Malicious(victim)]], dtype=object), allow_pickle=True)
    with pytest.raises(FileUnreadableError, match="cannot be read"):
        cells(Life(), "npy", path=str(path))
    assert not victim.exists()
    # The bomb is live: read carelessly, it goes off.
    np.load(path, allow_pickle=True)
    assert victim.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_in_float32_are_refused(value: float, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 2), value))
    with pytest.raises(StateError, match="holds NaN or Inf"):
        cells(Life(), "npy", path=str(tmp_path / "a.npy"))


@pytest.mark.parametrize("kind", ["rle", "npy", "image"])
def test_a_missing_torn_or_foreign_file_is_refused_with_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (None, b"", b"\x93NUMPY", b"\x89PNG\r\n\x1a\n\0\0", bytes(range(256))):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(FileUnreadableError, match=r"file: "):
            cells(Life(), kind, path=str(path))


@pytest.mark.parametrize("kind", ["npy", "image"])
def test_no_damage_to_a_file_ends_in_anything_but_a_clear_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.npy" if kind == "npy" else "a.png")
    if kind == "npy":
        np.save(path, np.ones((5, 7)))
    else:
        rgba(tmp_path)
    whole, refused = path.read_bytes(), 0
    random = np.random.default_rng(0)
    for _ in range(300):
        torn = bytearray(whole[: random.integers(20, 2 * len(whole))])
        for at in random.integers(0, len(torn), 2):
            torn[at] ^= int(random.integers(1, 256))
        path.write_bytes(torn)
        try:
            cells(MLP(1, 2), kind, path=str(path))
        except AetheriaError:
            refused += 1
    assert refused > 100


def test_a_header_that_claims_a_shape_beyond_memory_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(80))
    with pytest.raises(FileUnreadableError, match=r"a\.npy: cannot be read"):
        cells(Life(), "npy", path=str(tmp_path / "a.npy"))


def test_a_16_bit_grey_image_keeps_its_levels(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    cells = make_initial(Initial(kind="image", path=str(tmp_path / "ramp.png")), Lenia(), (1, 1, 8, 8), 0)
    np.testing.assert_allclose(cells[0, 0], ramp / 65535, atol=1e-6)
