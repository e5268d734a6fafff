"""Rule texts: equal rules in any notation, families, bounded grids, names, and texts that are refused."""

from dataclasses import replace

import pytest

from aetheria import Life, law_from_rule
from aetheria.core.errors import ConfigError
from aetheria.laws import Margolus
from aetheria.laws.discrete.life import parse_rule
from aetheria.laws.rules import NOTATIONS, read_rule, same_rule

EXAMPLES = [(family.family, text) for family in NOTATIONS.values() for text in family.examples]
OTHERS = ["R5,C0,M1,S34..58,B34..45,NM", "345/2/4", "W110", "Nobili32"]


@pytest.mark.parametrize(
    "text", ["B3/S23", "b3/s23", "B3S23", "b3s23", "S23/B3", "s23b3", "23/3", "32/3", "B33/S232", " B3 / S23 ", "23/3/2"]
)
def test_a_rule_in_another_notation_is_the_same_rule(text: str) -> None:
    assert read_rule(text) == read_rule("B3/S23")
    assert read_rule(text).text == "B3/S23"
    assert parse_rule(text) == (frozenset({3}), frozenset({2, 3}))
    assert Life(text).rule == "B3/S23"
    assert Life().obeys(text)
    assert not Life("B36/S23").obeys(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Life", "B3/S23"),
        ("conway's life", "B3/S23"),
        ("HIGHLIFE", "B36/S23"),
        ("High Life", "B36/S23"),
        ("seeds", "B2/S"),
        ("Day & Night", "B3678/S34678"),
        ("DayNight", "B3678/S34678"),
        ("day_and_night", "B3678/S34678"),
        ("life-without-death", "B3/S012345678"),
        ("/2", "B2/S"),
        ("23/", "B/S23"),
    ],
)
def test_a_rule_is_found_by_its_name(name: str, text: str) -> None:
    assert read_rule(name) == read_rule(text)
    law = law_from_rule(name)
    assert isinstance(law, Life)
    assert law.rule == text


@pytest.mark.parametrize(("family", "text"), EXAMPLES)
def test_each_example_is_read_by_its_family_alone(family: str, text: str) -> None:
    assert [known.family for known in NOTATIONS.values() if known.read(text) is not None] == [family]
    assert read_rule(text).family == family


@pytest.mark.parametrize("family", NOTATIONS)
def test_the_canonical_text_is_read_as_itself(family: str) -> None:
    for text in NOTATIONS[family].examples:
        rule = read_rule(text)
        assert read_rule(rule.text) == rule


@pytest.mark.parametrize("text", OTHERS)
def test_a_rule_that_no_law_runs_yet_is_named_in_full(text: str) -> None:
    rule = read_rule(text)
    if rule.law is not None:
        return
    with pytest.raises(ConfigError) as caught:
        law_from_rule(text)
    assert str(caught.value) == f"rule {text}: {rule.family}; no law of Aetheria runs it yet"


@pytest.mark.parametrize("text", OTHERS)
def test_life_refuses_the_rules_of_other_families(text: str) -> None:
    assert not Life().obeys(text)
    with pytest.raises(
        ConfigError, match=r"^\[law\.life\] rule: .* given; expected a two-state rule.*; it is a rule of another family: "
    ):
        Life(text)


@pytest.mark.parametrize(
    ("suffix", "size", "boundary", "words"),
    [
        ("T30,20", (20, 30), "periodic", "torus of 20 x 30 cells"),
        ("t30,20", (20, 30), "periodic", "torus of 20 x 30 cells"),
        ("P30,20", (20, 30), "zero", "plane of 20 x 30 cells"),
        ("P30", (30, 30), "zero", "plane of 30 x 30 cells"),
        ("T0,20", (20, 0), None, "torus of 20 x unbounded cells"),
        ("T30+5,20", (20, 30), "periodic-x+5", "torus of 20 x 30 cells with shifted edges"),
        ("T30,20-2", (20, 30), "periodic-y-2", "torus of 20 x 30 cells with shifted edges"),
        ("K30*,20", (20, 30), "klein-x", "Klein bottle of 20 x 30 cells"),
        ("K30,20*", (20, 30), "klein-y", "Klein bottle of 20 x 30 cells"),
        ("K30*+1,20", (20, 30), "klein-x+1", "Klein bottle of 20 x 30 cells with shifted edges"),
        ("C30,20", (20, 30), "cross-surface", "cross-surface of 20 x 30 cells"),
        ("S30", (30, 30), "sphere", "sphere of 30 x 30 cells"),
    ],
)
def test_a_bounded_grid_is_kept_beside_the_rule(suffix: str, size: tuple[int, int], boundary: str | None, words: str) -> None:
    rule = read_rule(f"23/3:{suffix}")
    grid = rule.grid
    assert grid is not None
    assert ((grid.height, grid.width), grid.boundary, str(grid)) == (size, boundary, words)
    assert replace(rule, grid=None) == read_rule("B3/S23")
    assert rule != read_rule("B3/S23")
    assert read_rule(str(rule)) == rule
    assert same_rule("23/3:T5,5", "B3/S23")
    if boundary is None:
        with pytest.raises(ConfigError, match="Life has no such boundary yet"):
            law_from_rule(str(rule))
    else:
        assert law_from_rule(str(rule)).boundary == boundary


@pytest.mark.parametrize(
    "suffix",
    [
        "",
        "X3,3",
        "T",
        "T3,",
        "T3,3,3",
        "S3,4",
        "T3*,4",
        "K3,4",
        "K3*,4*",
        "P3+1,3",
        "T3+1,3+1",
        "T-3,3",
        "K8*+2,8",
        "K7*+1,8",
        "K8*,8+1",
    ],
)
def test_a_broken_bounded_grid_is_refused(suffix: str) -> None:
    with pytest.raises(ConfigError, match=r'^rule: "B3/S23:.*" given; expected a rule.*; the bounded grid'):
        read_rule(f"B3/S23:{suffix}")


def test_a_bounded_grid_and_another_boundary_contradict() -> None:
    assert law_from_rule("B3/S23", boundary="reflect").boundary == "reflect"
    with pytest.raises(ConfigError, match=r'boundary: "zero" given with rule B3/S23:T5,5, a torus of 5 x 5 cells'):
        law_from_rule("B3/S23:T5,5", boundary="zero")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("B9/S", "it looks Life-like, but births: a cell has 8 neighbours"),
        ("B3", "both births and survivals are needed"),
        ("B3/23", "looks Life-like"),
        ("Hihg Life", "did you mean HighLife"),
        ("wireword", "did you mean WireWorld"),
        ("", "given; expected a rule"),
        ("/", "given; expected a rule"),
        ("B3/S23\0", "given; expected a rule"),
        ("7" * 200_000, r"777\.\.\.\" given; expected a rule"),
        (None, "None.* given; expected a rule"),
        (23, "23.* given; expected a rule"),
    ],
)
def test_a_text_that_is_no_rule_is_refused_with_what_it_looks_like(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read_rule(text, "[law] rule")
    assert str(caught.value).startswith("[law] rule: ")
    assert len(str(caught.value)) < 500


def test_a_hostile_text_takes_no_time() -> None:
    for text in ("B" + "2a-" * 30_000, "2-" * 49_000 + "/!", "R1," + "9," * 40_000 + "\n", "1" * 99_000 + "x/S"):
        with pytest.raises(ConfigError):
            law_from_rule(text)


@pytest.mark.parametrize(
    ("text", "same", "canonical", "law"),
    [
        ("W110", "w0110", "W110", "Elementary"),
        ("{102,3,1}", "{0102,3,1}", "{102,3,1}", "Elementary"),
        ("{30,2,1}", "W30", "W30", "Elementary"),
        ("code 777", "{777,{3,1},1}", "{777,{3,1},1}", "Totalistic"),
        ("W150R", "w150r", "W150R", "SecondOrder"),
        ("B5-7/S6", "b5,6,7/s6", "B5,6,7/S6", "Life3D"),
        ("B4-4/S4", "B4/S4-4", "B4-4/S4", "Life3D"),
        ("Life 4555", "B5/S4,5", "B5/S4,5", "Life3D"),
        ("Critters", "MS,D15,14,13,3,11,5,6,1,7,9,10,2,12,4,8,0", "MS,D15;14;13;3;11;5;6;1;7;9;10;2;12;4;8;0", "Margolus"),
    ],
)
def test_rules_of_other_dimensions_and_blocks_build_their_laws(text: str, same: str, canonical: str, law: str) -> None:
    rule = read_rule(text)
    assert rule == read_rule(same)
    assert (rule.text, rule.law) == (canonical, law)
    built = law_from_rule(text)
    assert built.name == law
    assert built.rule_string == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("W256", "it looks like Elementary, but its number is above 255"),
        ("W256R", "it looks like Second-order, but its number is above 255"),
        ("B27/S4,5", "looks like Life in three dimensions, but a cell has 26 neighbours, not 27"),
        ("B7-5/S4,5", "the range 7-5 is empty"),
        ("MS,D16;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15", "looks like Margolus, but a block has a number from 0 to 15"),
    ],
)
def test_broken_rules_of_other_dimensions_and_blocks_are_told_apart(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        law_from_rule(text)


@pytest.mark.parametrize(("name", "preset"), [("bbm", "bbm"), ("critters", "critters"), ("tron", "tron")])
def test_the_tables_of_named_block_rules_are_those_of_the_presets(name: str, preset: str) -> None:
    named, made = law_from_rule(name), Margolus(preset)
    assert isinstance(named, Margolus)
    assert named.tables.tolist() == made.tables.tolist()
