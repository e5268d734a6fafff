"""Run configs: read, checked with every error named, completed, and written back."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError
from aetheria.runs.config import RunConfig, load_config, shipped_configs
from aetheria.runs.run import build_motor

GOOD = """
steps = 10
[grid]
height = 8
width = 12
[law]
name = "life"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_a_short_config_gets_every_default(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert (config.seed, config.batch, config.device, config.record.every, config.record.codec) == (0, 1, "auto", 10, "gzip")


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_a_config_written_back_reads_as_the_same_config(name: str) -> None:
    config = load_config(name)
    assert RunConfig.checked(tomllib.loads(config.to_toml()), "") == config


def test_shipped_configs_cover_the_laws_and_explain_themselves() -> None:
    shipped = shipped_configs()
    wanted = {"quickstart", "butterfly", "gosper_gun", "r_pentomino", "orbium", "mlp", "unet", "convlstm", "deep_qca"}
    assert wanted <= shipped.keys()
    assert all(path.read_text().startswith("# ") for path in shipped.values())
    assert all(load_config(name).title for name in shipped)


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_config_builds_and_steps(name: str) -> None:
    config = load_config(name, ["motor.plan=eager"])
    with build_motor(config, "cpu") as motor:
        motor.subscribe(fields=config.record.fields, delivery="lossless", capacity=3)
        motor.step(2)
        motor.check_finite()


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("", None),
        ("[gird]\nheight = 3", r"\[config\] gird: unknown key; did you mean grid"),
        ("[motor]\nprecison = 'fp32'", r"\[motor\] precison: unknown key; did you mean precision"),
        ("[record]\nevery = 0", r"\[record\] every: 0 given; must be greater than 0"),
        ("[record]\nevery = '10'", r"\[record\] every: '10' given; must be a valid integer"),
        ("[record]\nsize = []", r"\[record\] size: \[\] given; must have at least 1 item"),
        ("[record]\nslice = {z = 1.5}", r"^\[record.slice\] z: 1.5 given; must be a whole number or a text$"),
        ("[initial]\npattern = 'glider'", r"\[initial\] pattern: unknown key; known: kind, path, code, at, scale, step$"),
        ("[record]\nslice = {}", r"\[record\] slice: {} given; must have at least 1 item"),
        ("[initial]\nkind = 'seed'\nscale = nan", r"\[initial\] scale: nan given; must be a finite number"),
        ("[initial]\nkind = 'seed'\nscale = inf", r"\[initial\] scale: inf given"),
        ("[initial]\nkind = 'sead'", r"\[initial\] kind: 'sead' given; must be 'noise', 'seed'"),
        ("[checkpoint]\nevery = -1", r"\[checkpoint\] every: -1 given; must be greater than or equal to 0"),
        ("[checkpoint]\nminutes = '5'", r"\[checkpoint\] minutes: '5' given; must be a valid number"),
        ("[checkpoint]\nhours = 1", r"\[checkpoint\] hours: unknown key"),
        ("[checkpoint]\nminutes = 5", None),
        ("[picture]\nscale = -4", r"\[picture\] scale: -4 given; must be greater than 0"),
    ],
)
def test_faults_are_named_by_table_and_key(tmp_path: Path, addition: str, words: str | None) -> None:
    path = write(tmp_path, GOOD + addition)
    if words is None:
        load_config(path)
        return
    with pytest.raises(ConfigError, match=words):
        load_config(path)


@pytest.mark.parametrize(
    ("law", "key", "place"),
    [
        ("GrowingNCA", "fire_rate", "did you mean law.fire_rate?"),
        ("growing-nca", "fire_rate", "did you mean law.fire_rate?"),
        ("Life", "rule", "did you mean law.rule?"),
        ("Life", "kind", "did you mean initial.kind?"),
        ("Life", "height", "did you mean grid.height?"),
        ("Life", "minutes", "did you mean checkpoint.minutes?"),
        ("Life", "every", "did you mean record.every or checkpoint.every?"),
        ("Life", "fire_rate", "known: "),
        ("no such law", "rule", "known: "),
    ],
)
def test_a_key_at_the_top_is_told_its_place(tmp_path: Path, law: str, key: str, place: str) -> None:
    path = write(tmp_path, GOOD.replace('"life"', f'"{law}"'))
    with pytest.raises(ConfigError) as caught:
        load_config(path, [f"{key}=1"])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"[config] {key}: unknown key; {place}")


def test_a_key_in_another_table_is_told_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^\[grid\] seed: unknown key; did you mean seed or law.seed\? \(known: depth"):
        load_config(write(tmp_path, GOOD), ["grid.seed=1"])


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, GOOD.replace("height", "hieght").replace("10", "-10").replace("12", "0")))
    assert str(caught.value).splitlines() == [
        "[config] steps: -10 given; must be greater than 0",
        "[grid] width: 0 given; must be greater than 0",
        "[grid] hieght: unknown key; did you mean height? (known: depth, height, width, shape)",
    ]


@pytest.mark.parametrize(
    ("grid", "sides"),
    [
        ({"width": 12}, (12,)),
        ({"height": 8, "width": 12}, (8, 12)),
        ({"depth": 4, "height": 8, "width": 12}, (4, 8, 12)),
        ({"shape": [12]}, (12,)),
        ({"shape": [4, 8, 12]}, (4, 8, 12)),
    ],
)
def test_a_grid_has_one_to_three_sides(grid: dict[str, Any], sides: tuple[int, ...]) -> None:
    config = RunConfig.checked({"steps": 1, "grid": grid, "law": {"name": "Life"}}, "")
    assert config.grid.sides == sides
    assert RunConfig.checked(tomllib.loads(config.to_toml()), "") == config


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({"shape": [8, 12], "height": 8}, "[grid] shape: [8, 12] given with height; expected one or the other"),
        ({"shape": [8], "height": 8, "width": 9}, "[grid] shape: [8] given with height and width; expected one or the other"),
        ({}, "[grid] width: missing; this key is required"),
        ({"height": 8}, "[grid] width: missing; this key is required with height"),
        ({"depth": 4, "width": 12}, "[grid] height: missing; this key is required with depth and width"),
        ({"shape": []}, "[grid] shape: [] given; must have at least 1 item, not 0"),
        ({"shape": [1, 2, 3, 4]}, "[grid] shape: [1, 2, 3, 4] given; must have at most 3 items, not 4"),
        ({"shape": [4, 0]}, "[grid.shape] 1: 0 given; must be greater than 0"),
        ({"depth": 0, "height": 8, "width": 12}, "[grid] depth: 0 given; must be greater than 0"),
    ],
)
def test_a_grid_without_clear_sides_is_refused_in_one_line(grid: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.checked({"steps": 1, "grid": grid, "law": {"name": "Life"}}, "")
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("law.name=lief", 'name: "lief" given; did you mean Life'),
        ("law.rule=B9/S23", 'rule: "B9/S23" given; expected a two-state rule'),
        ("law.ruel=B3/S23", r"\[law.life\] ruel: unknown key; did you mean rule"),
        ("law.boundary=open", 'boundary: "open" given|boundary: .open. given'),
        ("law.weights=nowhere.safetensors", "nowhere.safetensors: no such file"),
        ("d_state=4", "d_state 4: Life has 1 real channels"),
        ("device=cuda:77", "CUDA devices found"),
        ("grid.height=1000000", "stepping needs at least|GiB"),
        ("initial.kind=rle", r"\[initial\] path: missing"),
    ],
)
def test_faults_found_when_the_motor_is_built(tmp_path: Path, override: str, words: str) -> None:
    big = ["grid.width=1000000"] if "height" in override else []
    with pytest.raises(AetheriaError, match=words):
        build_motor(load_config(write(tmp_path, GOOD), [override, *big]))


def test_settings_can_be_overridden_by_dotted_keys(tmp_path: Path) -> None:
    overrides = ["steps=99", "law.rule=B36/S23", "record.fields=['population']", "initial.kind=noise", "grid.width = 9"]
    config = load_config(write(tmp_path, GOOD), overrides)
    assert config.steps == 99
    assert config.law.parameters == {"rule": "B36/S23"}
    assert config.record.fields == ["population"]
    assert config.initial is not None
    assert config.initial.kind == "noise"
    assert config.grid.width == 9


@pytest.mark.parametrize("override", ["steps", "=4", "steps.more=3"])
def test_an_override_that_is_none_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load_config(write(tmp_path, GOOD), [override])


def test_file_names_are_relative_to_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "glider.rle").write_text("x = 3, y = 3\nbob$2bo$3o!")
    path = write(tmp_path, GOOD + "[initial]\nkind = 'rle'\npath = 'glider.rle'")
    monkeypatch.chdir("/")
    assert float(build_motor(load_config(path), "cpu").cells.sum()) == 5


def test_a_file_that_starts_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(GOOD, "utf-8-sig")
    assert load_config(path).steps == 10


def test_unreadable_configs_are_told_apart_from_wrong_ones(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadableError, match="did you mean quickstart"):
        load_config("quickstrat")
    with pytest.raises(ConfigError, match=r"run.toml: is not TOML; .*line 1"):
        load_config(write(tmp_path, "steps = = 3"))
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileUnreadableError, match="cannot be read"):
        load_config(tmp_path / "run.toml")
    with pytest.raises(ConfigError, match="larger than"):
        load_config(write(tmp_path, "#" * 2**21))


@given(text=st.text(max_size=200))
def test_no_text_does_worse_than_a_clear_error(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, "utf-8", errors="replace", newline="")
    with pytest.raises(AetheriaError):
        load_config(path)


_TABLES = st.dictionaries(
    st.sampled_from(["steps", "grid", "law", "seed", "record", "motor", "initial", "height", "name", "kind", "x"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["height", "width", "name", "every"]), inner)
        ),
        max_leaves=8,
    ),
)


@given(values=_TABLES)
def test_no_value_does_worse_than_a_clear_error(values: dict[str, object]) -> None:
    try:
        RunConfig.checked(values, "")
    except ConfigError as error:
        said = str(error)
        if not said:
            pytest.fail("an error without words")
