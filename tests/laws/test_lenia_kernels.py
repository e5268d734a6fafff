"""Lenia of several kernels and channels against NumPy in float64, and collections of creatures."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError, FileUnreadableError, LawError, StateError
from aetheria.laws import Lenia
from aetheria.laws.continuous.lenia_animals import animals_of, find_animal, lenia_animals, parse_animals
from aetheria.motor.initial import Initial
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import load_config
from aetheria.stepping.cpu.lenia import why_not
from tests.oracles import names_of, oracle

Array = NDArray[np.float64]
OF_KERNELS = ("r", "b", "m", "s", "h", "c0", "c1")
TWO: dict[str, Any] = {
    "R": 4,
    "T": 3,
    "r": [1.0, 0.8, 0.9],
    "b": [[1.0], [0.5, 1.0], [1.0, 0.25]],
    "m": [0.3, 0.35, 0.25],
    "s": [0.08, 0.1, 0.06],
    "h": [0.6, 0.3, 0.8],
    "c0": [0, 1, 1],
    "c1": [0, 1, 0],
}


def close(given: Tensor, expected: Array, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(given[0].numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("case", names_of("lenia_expanded"))
def test_every_case_of_the_expanded_universe_steps_as_numpy_does(case: str) -> None:
    of = oracle("lenia_expanded", case)
    settings = {key: of.parameters[key] for key in ("R", "T", *OF_KERNELS)}
    law = Lenia(**settings, core="gaussian", growth="gaussian", asymptotic=case.startswith("asymptotic")).double()
    assert law.channels == len(of.arrays["input"])
    masses = []

    def step(cells: Tensor) -> Tensor:
        after = law(cells)
        masses.append(after[0].flatten(1).sum(1).numpy())
        return after

    for cells, expected in of.followed(torch.from_numpy(of.arrays["input"])[None], step):
        close(cells, expected)
    np.testing.assert_allclose(masses, of.arrays["mass"], rtol=1e-6, atol=1e-6)


def core_at(shape: str, r: float) -> float:
    if shape == "step":
        return float(0.25 <= r <= 0.75)
    return 1.0 if 0.25 <= r <= 0.75 else 0.5 if r < 0.25 else 0.0


def numpy_step(cells: Array, law: Lenia, core: str, growth: str) -> Array:
    """By weighted shifts of the padded grid, one kernel and one cell of it at a time."""
    given, grid = TWO, cells.shape[1:]
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[law.boundary]
    reach = given["R"]
    change, weights = np.zeros_like(cells), np.zeros(len(cells))
    for r, b, m, s, h, c0, c1 in zip(*(given[key] for key in OF_KERNELS), strict=True):
        kernel = np.zeros((2 * reach + 1,) * len(grid))
        for at in np.ndindex(kernel.shape):
            d = math.dist(at, (reach,) * len(grid)) * len(b) / (r * reach)
            if d < len(b):
                kernel[at] = b[int(d)] * core_at(core, d - int(d))
        kernel /= kernel.sum()
        wide = np.pad(cells[c0], reach, mode=mode)
        u = np.zeros(grid)
        for place in np.argwhere(kernel):
            u += kernel[tuple(place)] * wide[tuple(slice(i, i + n) for i, n in zip(place, grid, strict=True))]
        g = 2.0 * (np.abs(u - m) <= s) - 1 if growth == "step" else 2 * np.maximum(0, 1 - (u - m) ** 2 / (9 * s**2)) ** 4 - 1
        change[c1] += h * ((g + 1) / 2 if law.asymptotic else g)
        weights[c1] += h
    if law.combine == "mean":
        change /= weights.reshape(-1, *[1] * len(grid))
    after = cells + ((change - cells) if law.asymptotic else change) / given["T"]
    if law.clip == "soft":
        return 1 / (1 + np.exp(-4 * (after - 0.5)))
    return after if law.asymptotic else np.clip(after, 0, 1)


@pytest.mark.parametrize("grid", [(31,), (13, 17), (10, 9, 11)], ids=["1d", "2d", "3d"])
@pytest.mark.parametrize(
    ("core", "growth", "options"),
    [
        ("step", "polynomial", {}),
        ("staircase", "step", {"combine": "mean", "boundary": "zero"}),
        ("staircase", "polynomial", {"asymptotic": True, "boundary": "reflect"}),
        ("step", "polynomial", {"clip": "soft", "combine": "mean"}),
    ],
)
def test_every_option_equals_direct_convolution(core: Any, growth: Any, options: dict[str, Any], grid: tuple[int, ...]) -> None:
    law = Lenia(**TWO, core=core, growth=growth, **options).double()
    cells = np.random.default_rng(3).random((2, *grid))
    given = torch.from_numpy(cells)[None]
    for _ in range(2):
        cells, given = numpy_step(cells, law, core, growth), law(given)
        # A step has jumps, where a rounding decides.
        far = np.abs(given[0].numpy() - cells) > 1e-12
        assert far.mean() <= (0.02 if growth == "step" else 0)


def test_each_kernel_has_controls_and_its_numbers_are_lists() -> None:
    law = Lenia(**TWO)
    assert [control.name for control in law.controls] == [*(f"{n}_{k}" for k in range(3) for n in "msh"), "T"]
    assert law.m == TWO["m"]
    law.set_control("m_1", 0.2)
    assert law.m == [0.3, 0.2, 0.25]
    law.s = [0.1, 0.2, 0.3]
    assert law.get_control("s_2") == 0.3
    cells = torch.rand(1, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    changed, other = Lenia(**(TWO | {"m": law.m, "s": law.s})), Lenia(**TWO)
    assert torch.equal(law(cells), changed(cells))
    assert not torch.equal(law(cells), other(cells))
    assert [control.name for control in Lenia().controls] == ["m", "s", "T"]
    assert [control.name for control in Lenia(h=0.5).controls] == ["m", "s", "h", "T"]


def test_one_kernel_of_weight_1_without_a_control_for_it_adds_as_one_with_weight_1() -> None:
    cells = torch.rand(1, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    plain, weighted = Lenia(R=3, channels=2), Lenia(R=3, channels=2, h=0.5)
    weighted.set_control("h", 1.0)
    assert torch.equal(plain(cells), weighted(cells))
    assert torch.equal(plain(cells)[:, 1], cells[:, 1])


def test_a_step_as_growth_is_left_to_other_plans_than_the_kernel_in_which_rounding_would_decide() -> None:
    others: tuple[dict[str, Any], ...] = (
        {},
        {"h": 0.5},
        {"r": 0.5},
        {"asymptotic": True},
        {"clip": "soft"},
        {"channels": 2},
        TWO,
    )
    for settings in others:
        assert why_not(Lenia(**({"R": 5} | settings)), "fp32") == ""
    assert "has no ring-shaped kernels" in why_not(Lenia(R=5, growth="step"), "fp32")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"m": [0.1, 0.2], "s": [0.1, 0.2, 0.3]}, "m: 2 values given; expected one, or 3, one for each kernel, as s has"),
        ({"m": []}, "expected one, or 1, one for each kernel|kernels: 0 given"),
        ({"m": [0.1, math.nan], "s": [0.1, 0.1]}, "m_1: nan given"),
        ({"r": [1.0, 0.0]}, r"r 1: 0\.0 given"),
        ({"h": [1.0, -1.0]}, r"h_1: -1\.0 given"),
        ({"c0": [0, 2], "channels": 2}, "c0: 2 given; expected a whole number from 0 to 1"),
        ({"c1": [0, -1]}, "c1: -1 given"),
        ({"channels": 0}, "channels: 0 given"),
        ({"b": [[1.0], [0.0]]}, "expected ring heights"),
        ({"b": [[1.0], []]}, "expected ring heights"),
        ({"combine": "product"}, "combine: .* expected one of sum, mean"),
        ({"clip": "none"}, "clip: .* expected one of hard, soft"),
        ({"animal": "VT049W", "m": [0.1, 0.2]}, "animal: VT049W has 15 kernels"),
        ({"m": [0.1] * 65}, "kernels: 65 given; expected 1 to 64"),
    ],
)
def test_kernels_that_do_not_fit_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.lenia\] (.*{message})"):
        Lenia(**settings)


def test_the_grid_must_hold_the_widest_kernel() -> None:
    law = Lenia(R=5, r=[0.5, 1.5])
    assert law.radius == 8
    with pytest.raises(LawError, match="must be at least 17"):
        law.prepare(torch.zeros(1, 1, 16, 20))


# -- creatures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["O2b", "VT049W", "5N7KKM", "5N7KKMg", "5N7KKMt", "4Gu3l"])
def test_a_shipped_creature_lives_on_as_one_body(code: str) -> None:
    animal = lenia_animals()[code]
    law = Lenia(code)
    grid = (36,) * 3 if code == "4Gu3l" else (64, 64)
    motor = Aetheria_Motor(law, grid, law.channels, "cpu", {"plan": "eager"})
    born = float(motor.read("mass")[0])
    assert born == pytest.approx(animal.cells.sum(), rel=1e-5)
    motor.step(80)
    assert 0.7 * born < float(motor.read("mass")[0]) < 2.5 * born
    assert int((motor.cells > 0).any(1).sum()) < 0.3 * math.prod(grid)
    assert law.creatures()[0].code == code


CHAN = """{"code": "*", "name": "two kinds", "cname": "", "params": [
 {"R": 6, "T": 10, "b": "1,1/6", "m": 0.2, "s": 0.05, "kn": 1, "gn": 1, "c": [0, 0]},
 {"R": 6, "T": 10, "b": "1", "m": 0.3, "s": 0.06, "kn": 1, "gn": 1, "r": 0.5, "h": 0.25, "c": [0, 1]}],
 "cells": ["2.A$yO!", "X!"]},
{"code": ">3", "name": "family: headings have no cells", "cname": ""},
{"code": "one", "name": "Solid", "params": {"R": 5, "T": 10, "b": "1/2,2/3", "m": 0.15, "s": 0.02, "kn": 4, "gn": 3},
 "cells": "A$pA%yO!"},"""


def test_a_collection_holds_creatures_of_several_channels_and_dimensions() -> None:
    two, solid = parse_animals(CHAN, "found.json")
    assert (two.code, two.name, two.channels, two.cells.shape) == ("*", "two kinds", 2, (2, 2, 3))
    np.testing.assert_array_equal(two.cells[0] * 255, [[0, 0, 1], [255, 0, 0]])
    np.testing.assert_array_equal(two.cells[1] * 255, [[24, 0, 0], [0, 0, 0]])
    wanted = {"R": 6, "T": 10, "m": [0.2, 0.3], "s": [0.05, 0.06], "r": [1, 0.5], "h": [1, 0.25], "c0": [0, 0], "c1": [0, 1]}
    curves = {"core": "polynomial", "growth": "polynomial", "combine": "mean"}
    assert two.parameters == wanted | curves | {"b": [[1, 1 / 6], [1]]}
    assert (solid.cells.shape, solid.channels) == ((2, 2, 1), 1)
    np.testing.assert_array_equal(solid.cells[:, :, 0] * 255, [[1, 25], [255, 0]])
    assert (solid.parameters["core"], solid.parameters["growth"]) == ("staircase", "step")
    assert solid.parameters["b"] == [0.5, 2 / 3]


def test_a_law_takes_a_creature_of_a_file_by_code_or_name(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(f"[{CHAN.rstrip(',')}]", "utf-8")
    law = Lenia("two kinds", collection=str(path))
    assert (law.channels, law.R, law.h, law.combine) == (2, 6, [1, 0.25], "mean")
    motor = Aetheria_Motor(law, (20, 24), 2, "cpu", {"plan": "eager"})
    assert float(motor.cells.sum()) == pytest.approx((1 + 255 + 24) / 255)
    motor.step(1)
    config = tmp_path / "run.toml"
    config.write_text(
        'steps = 3\n[grid]\nshape = [12, 16, 16]\n[law]\nname = "Lenia"\nanimal = "ONE"\ncollection = "found.json"\n', "utf-8"
    )
    assert load_config(config).law.parameters["collection"] == str(path)
    # A law of one channel does not take a creature of two, nor a plane one of three dimensions.
    flat: Any = {"cfg": {"plan": "eager"}, "initial": Initial(kind="animal")}
    with pytest.raises(StateError, match='"\\*" has 2 channels; Lenia has 1'):
        Aetheria_Motor(Lenia("one", collection=str(path)), (20, 24), 1, "cpu", {}, initial=Initial(kind="animal", code="*"))
    with pytest.raises(ConfigError, match="has 3 axes, and the grid of 20 x 24 has two"):
        Aetheria_Motor(Lenia("one", collection=str(path)), (20, 24), 1, "cpu", **flat)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "no JSON list of creatures"),
        ("[1, 2]", "expected a list of creatures"),
        ('[{"code": "x", "cells": "A!"}]', "x: params: KeyError"),
        ('[{"code": "x", "params": {"R": 1, "T": 1, "m": 1, "s": 1, "b": "a"}, "cells": "A!"}]', "x: params: ValueError"),
        ('[{"code": "x", "params": {"R": 1, "T": 1, "m": 1, "s": 1, "b": "1", "kn": 7}, "cells": "A!"}]', "kn or gn 7"),
        ('[{"code": "x", "params": {"R": 1, "T": 1, "m": 1, "s": 1, "b": "1"}, "cells": "A"}]', "x"),
        ('[{"code": "x", "params": {"R": 1, "T": 1, "m": 1, "s": 1, "b": "1"}, "cells": ["A!", "A!"]}]', "cells of 2 channels"),
        ('[{"code": "x", "params": {"R": 1, "T": 1, "m": 1, "s": 1, "b": "1"}, "cells": [1]}]', "expected a text"),
        ("[" * 100_000, "no JSON list of creatures"),
        (
            '[{"code": "x", "params": [{"R": 1, "T": 1, "m": 1, "s": 1, "b": "1", "c": [1e999, 0]}], "cells": "A!"}]',
            "OverflowError",
        ),
        (
            '[{"code": "x", "params": {"R": 1, "T": 1, "m": 1, "s": 1, "b": "1"}, "cells": "16000A' + "%A" * 5000 + '!"}]',
            "a box of over",
        ),
    ],
)
def test_a_damaged_collection_is_refused_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(text, "utf-8")
    with pytest.raises(FileUnreadableError, match=f"found.json: .*{message}"):
        animals_of(str(path))


def test_a_missing_collection_or_creature_is_told() -> None:
    with pytest.raises(FileUnreadableError, match=r"none\.json: no such file"):
        find_animal("O2u", "none.json")
    with pytest.raises(FileUnreadableError, match="is a device or a pipe"):
        find_animal("O2u", os.devnull)
    with pytest.raises(ConfigError, match='animal: "O2" given; did you mean'):
        find_animal("O2")


def test_the_shipped_creatures_have_codes_of_their_own() -> None:
    assert len(lenia_animals()) == len(animals_of(None)) == 10
    assert json.dumps([animal.parameters for animal in animals_of(None)])
