"""The pages that are made for the site: complete, with examples that are read as configs."""

import tomllib
from pathlib import Path

import pytest
from site_pages.commands import commands
from site_pages.configuration import Key, Table, described_type, tables
from site_pages.docstrings import described, summary, table
from site_pages.gallery import comment_of, gallery_page
from site_pages.law_parameters import families, parameter_meanings
from site_pages.links import Copies, page_links
from site_pages.performance import performance_page, results
from site_pages.python_api import public_names

import aetheria
from aetheria.core.errors import ConfigError
from aetheria.core.settings import Settings
from aetheria.laws import parameters
from aetheria.runs.config import RunConfig, shipped_configs
from aetheria.sweep.sweep_config import SweepConfig
from aetheria.training.task_config import TaskConfig
from aetheria.training.train_config import GrowConfig, TrainConfig
from tests.paths import ROOT

MODELS: list[type[Settings]] = [RunConfig, TrainConfig, GrowConfig, TaskConfig, SweepConfig]
KEYS = [
    pytest.param(one, key, id=f"{model.__name__}.{one.name}.{key.name}")
    for model in MODELS
    for one in tables(model)
    for key in one.keys
]


@pytest.mark.parametrize(("where", "key"), KEYS)
def test_every_key_has_a_meaning_a_unit_if_it_is_a_number_and_an_example_that_is_read(where: Table, key: Key) -> None:
    assert key.meaning
    assert key.values
    assert ("number" in key.values) == bool(key.unit)
    values = tomllib.loads(key.example)
    assert list(values) == [key.name]
    errors = ""
    try:
        where.model.checked(values, "")
    except ConfigError as error:  # other keys of the table may be required
        errors = str(error)
    assert f" {key.name}: " not in errors


def test_the_page_on_configs_has_every_key_of_the_models() -> None:
    def keys(model: type[Settings]) -> set[str]:
        return {place for places in model.places(None).values() for place in places}

    for model in MODELS:
        shown = {f"{one.name}.{key.name}".strip(".") for one in tables(model) for key in one.keys}
        assert shown | {one.name for one in tables(model) if one.name} == keys(model)


def test_types_are_described_in_words() -> None:
    hints = {name: described_type(field.annotation, field.metadata) for name, field in RunConfig.model_fields.items()}
    assert hints["steps"] == "whole number > 0"
    assert hints["seed"] == "whole number ≥ 0, < 2^63"
    assert described_type(list[float] | None) == "list of number"
    assert described_type(dict[str, int | str]) == "table of whole number or text"


def test_descriptions_are_read_from_docstrings() -> None:
    text = """Heading.

    Args:
        a: first,
            and more.
        b, c: both.

    Raises:
        d: not this one.
    """
    assert described(text, "Args") == {"a": "first, and more.", "b": "both.", "c": "both."}
    assert summary(text) == "Heading."
    assert table(("one", "none", "two"), [("1", "", "a|b")]) == "| one | two |\n| --- | --- |\n| 1 | a\\|b |"


@pytest.mark.parametrize("name", [name for laws in families().values() for name in laws])
def test_every_parameter_of_a_law_is_explained(name: str) -> None:
    law = aetheria.LAWS[name]
    assert [key for key in parameters(law) if not parameter_meanings(law).get(key)] == []


def test_every_option_of_the_command_line_is_explained() -> None:
    for name, command in commands().items():
        assert command.help, name
        assert [one.name for one in command.params if not getattr(one, "help", None)] == [], name


def test_every_name_that_the_package_offers_is_in_the_reference() -> None:
    listed = {name for names in public_names().values() for name in names}
    assert set(aetheria.__all__) - {"__version__", "LAWS"} - listed == set()


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_says_what_to_look_for(name: str) -> None:
    assert comment_of(name).startswith("What to look for: ")
    assert f"### {name}\n" in gallery_page()
    assert (ROOT / "configs" / "thumbnails" / f"{name}.png").is_file()


def test_the_page_on_performance_has_the_figures_of_the_results() -> None:
    page, text = performance_page(), (ROOT / "benchmarks" / "results" / "stepping.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if ": against " in line]
    assert len(rows) >= 8
    for row in rows:
        what, _, measured, _ = (cell.strip() for cell in row.strip("|").split("|"))
        law, _, peer = what.partition(": against ")
        (line,) = (one for one in page.splitlines() if one.startswith(f"| {law} | {peer} |"))
        assert float(line.split("|")[3].replace(",", "")) == pytest.approx(float(measured.split()[0]), rel=1e-3)
    assert [name for name in results() if f"(results/{name}.md)" not in page] == []


def test_links_out_of_the_pages_lead_to_pages_or_copies_in_the_site() -> None:
    copies: Copies = {}

    def led(text: str, page: str) -> str:
        return page_links(text, page, copies)

    assert led("[a](../benchmarks/results/drift.md#x)", "runs.md") == "[a](results/drift.md#x)"
    assert led("[a](../../SECURITY.md)", "howto/films.md") == "[a](../project/security.md)"
    assert led("[all](../benchmarks/results/)", "stepping.md") == "[all](performance.md)"
    assert led("[a](docs/laws.md)", "project/contributing.md") == "[a](../laws.md)"
    assert led("[tests](../tests/)", "stepping.md") == "tests"
    for unchanged in ("[a](laws.md)", "[a](https://example.org)", "[a](#b)", "![a](viewer_live.png)"):
        assert led(unchanged, "runs.md") == unchanged
    assert copies == {}
    assert (
        led("![a](../../configs/thumbnails/orbium.png)", "tutorials/lenia.md") == "![a](../files/configs/thumbnails/orbium.png)"
    )
    assert copies == {"files/configs/thumbnails/orbium.png": ROOT / "configs/thumbnails/orbium.png"}


def test_the_pages_are_made_without_the_site_builder(tmp_path: Path) -> None:
    from site_pages import PAGES

    for name, make in PAGES.items():
        assert make().startswith("# "), name


def test_angles_and_bars_in_a_meaning_are_no_html_and_no_column() -> None:
    row = table(("meaning",), [["cuda:<number>, a | b, `x < y`"]]).splitlines()[-1]
    assert row == "| cuda:&lt;number>, a \\| b, `x < y` |"
