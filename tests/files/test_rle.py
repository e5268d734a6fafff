"""RLE in both dialects: reads the output of an independent encoder, refuses truncated files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from aetheria.core.errors import FileUnreadableError
from aetheria.files.rle import MAX_CELLS, read_rle

States = NDArray[np.uint8]


def letter(state: int, many: bool) -> str:
    """The tag of a state: b and o for two states; ., A..X, pA..yO for up to 256."""
    if not many:
        return "bo"[state]
    if state == 0:
        return "."
    above, low = divmod(state - 1, 24)
    return ("" if above == 0 else "pqrstuvwxy"[above - 1]) + "ABCDEFGHIJKLMNOPQRSTUVWX"[low]


def encoded(cells: States, many: bool, line: int = 70) -> str:
    """An RLE file of `cells`, with a header and lines of at most `line` characters."""
    runs: list[str] = []
    for y, row in enumerate(cells):
        edges = np.flatnonzero(np.diff(row)) + 1
        parts = np.split(row, edges)
        runs += [(str(len(part)) if len(part) > 1 else "") + letter(int(part[0]), many) for part in parts]
        runs.append("$" if y < len(cells) - 1 else "!")
    lines = [""]
    for run in runs:
        if len(lines[-1]) + len(run) > line:
            lines.append("")
        lines[-1] += run
    return f"#N a pattern\nx = {cells.shape[1]}, y = {cells.shape[0]}, rule = B3/S23\n" + "\n".join(lines) + "\n"


SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 40))


@settings(max_examples=80, deadline=None)
@given(cells=SHAPES.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))), line=st.integers(4, 70))
def test_two_states_come_back_as_they_were_written(cells: States, line: int) -> None:
    pattern = read_rle(encoded(cells, many=False, line=line), "a.rle")
    assert np.array_equal(pattern.cells, cells)
    assert pattern.rule == "B3/S23"


@settings(max_examples=80, deadline=None)
@given(cells=SHAPES.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 255))))
def test_256_states_come_back_as_they_were_written(cells: States) -> None:
    assert np.array_equal(read_rle(encoded(cells, many=True), "a.rle").cells, cells)


def test_every_state_has_its_letters() -> None:
    row = np.arange(256, dtype=np.uint8)[None]
    text = encoded(row, many=True)
    assert ".ABC" in text.replace("\n", "")
    assert "XpApB" in text.replace("\n", "")
    assert text.replace("\n", "").endswith("yMyNyO!")
    assert np.array_equal(read_rle(text, "a.rle").cells, row)


def test_the_glider_of_the_lifewiki_is_read() -> None:
    text = "#C This is a glider.\nx = 3, y = 3\nbo$2bo$3o!\nwhatever follows is a comment"
    pattern = read_rle(text, "glider.rle")
    assert pattern.cells.tolist() == [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert pattern.rule is None


def test_a_lenia_row_of_both_dialects_is_read() -> None:
    assert read_rle("2.AXpA$$yO!", "a").cells.tolist() == [[0, 0, 1, 24, 25], [0] * 5, [255, 0, 0, 0, 0]]


def test_without_a_header_the_box_is_that_of_the_runs_and_with_one_it_is_the_headers() -> None:
    assert read_rle("3o$o!", "a").cells.shape == (2, 3)
    assert read_rle("x=5,y=4\n3o$o!", "a").cells.shape == (4, 5)
    assert read_rle("X = 5, Y = 4, RULE = b36/s23:T10,10\n3o!", "a").rule == "b36/s23:T10,10"
    assert read_rle("2$2b3o4$!", "a").cells.tolist() == [[0] * 5, [0] * 5, [0, 0, 1, 1, 1]]


def test_a_run_may_be_split_over_lines_and_blank_lines_do_not_matter() -> None:
    assert read_rle("\n o \n\n o$\r\n b\to !", "a").cells.tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize("text", ["", "#C nothing here", "!", "x = 0, y = 0\n!", "3$!"])
def test_an_empty_pattern_is_empty_or_torn_but_never_an_accident(text: str) -> None:
    if "!" in text:
        assert read_rle(text, "a").cells.size == 0
    else:
        with pytest.raises(FileUnreadableError, match='without "!"'):
            read_rle(text, "a")


@pytest.mark.parametrize("keep", [1, 10, 30, 45])
def test_a_torn_file_is_refused_wherever_it_was_torn(keep: int) -> None:
    text = "x = 36, y = 9, rule = B3/S23\n24bo$22bobo$12b2o6b2o12b2o!"
    with pytest.raises(FileUnreadableError, match=r"^torn\.rle: "):
        read_rle(text[:keep], "torn.rle")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3q!", "'3' at character 1 of the runs is not an RLE run"),
        ("bo$2bz!", "'z' at character 6"),
        ("o-3b!", "'-' at character 2"),
        ("oyP!", "'y' at character 2"),  # 256: one beyond the last state
        ("opo!", "'p' at character 2"),
        ("ö!", "'ö' at character 1"),
        ("o\0!", "at character 2"),
    ],
)
def test_a_character_that_is_no_run_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FileUnreadableError) as caught:
        read_rle(text, "bad.rle")
    assert str(caught.value).startswith("bad.rle: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"{MAX_CELLS + 1}o!",
        f"{MAX_CELLS + 1}$o!",
        "999999999o!",
        "9" * 5000 + "b!",
        f"{MAX_CELLS // 2}b{MAX_CELLS // 2}b{MAX_CELLS // 2}b!".replace("b", "$"),
        f"o{MAX_CELLS - 2}$3o!",  # few live cells in a box of 2^28 rows by 3
    ],
)
def test_a_pattern_too_large_for_memory_is_refused_before_it_is_unrolled(text: str) -> None:
    with pytest.raises(FileUnreadableError, match=r"^huge\.rle: "):
        read_rle(text, "huge.rle")


def test_a_hundred_million_empty_rows_at_the_end_cost_nothing() -> None:
    assert read_rle("2o100000000$!", "a").cells.tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("x = 0, y = 0\n", (2, 3)),
        ("x = 2, y = 1\n", (2, 3)),
        ("x = 3, y = 1\n", (2, 3)),
        ("x = 1, y = 9\n", (9, 3)),
        ("x = -3, y = 2\n", (2, 3)),
        ("x = 20000, y = 20000\n", (2, 3)),
        (f"x = {'9' * 5000}, y = 3\n", (2, 3)),
    ],
)
def test_where_the_headers_box_cannot_be_the_runs_decide_with_a_word(text: str, shape: tuple[int, int]) -> None:
    pattern = read_rle(text + "3o$o!", "a.rle")
    assert pattern.cells.shape == shape
    assert pattern.cells.sum() == 4
    (note,) = pattern.notes
    assert note.startswith("a.rle: the runs have 2 x 3 cells (height x width), and the header says ")


def test_dead_cells_beyond_the_box_are_no_cells() -> None:
    pattern = read_rle("x = 3, y = 3\nbo2b$2bob$3o4b9$!", "a")
    assert pattern.cells.tolist() == [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert pattern.notes == ()


@pytest.mark.parametrize(
    "header",
    [
        "x = 3, y = 3, rule = 23/3",
        "x=3,y=3,rule=23/3",
        "x = 3 y = 3 rule = 23/3",
        "  X = 3, Y = 3, Rule = 23/3  ",
        "\tx\t=\t3,\ty\t=\t3,\trule\t=\t23/3\t",
        'x = 3, y = 3, rule = "23/3"',
        "y = 3, x = 3, rule = 23/3,",
        "x = 3, y = 3\nrule = 23/3",
        "x = 9, y = 9, rule = B2/S\nx = 3, y = 3, rule = 23/3",
        "#r 23/3\nx = 3, y = 3",
        "#N Glider\n#C # in a comment, rule = none\n\nx = 3, y = 3, rule = 23/3\n#C another",
        "x = 3, y = 3, author = me, rule = 23/3",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_headers_of_many_writers_are_read(header: str, end: str) -> None:
    text = f"{header}\nbo$\n#C between the runs!\n\t2bo$\n3o!\nafter the end x = 9\n#r B2/S"
    pattern = read_rle(text.replace("\n", end), "a")
    assert pattern.cells.tolist() == [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert (pattern.rule, pattern.notes) == ("23/3", ())


@pytest.mark.parametrize(
    "rule", ["R5,C0,M1,S34..58,B34..45,NM", "B3/S23:T20,10", "345/2/4", "Day & Night", "MAPW+5DeYRk63wSsAWgPOBCww"]
)
def test_the_rule_of_a_header_is_kept_whole(rule: str) -> None:
    assert read_rle(f"x = 1, y = 1, rule = {rule}\no!", "a").rule == rule


@pytest.mark.parametrize("header", ["x = 1, y = 1", "x = 1, y = 1, rule =", "x = 1, y = 1, rule = ''", "x = 1, y = 1,"])
def test_a_header_may_name_no_rule(header: str) -> None:
    assert read_rle(f"{header}\no!", "a").rule is None


@pytest.mark.parametrize("header", ["x = a, y = 1", "x = , y = 1", "x = 1.5, y = 1"])
def test_a_header_without_numbers_is_refused(header: str) -> None:
    with pytest.raises(FileUnreadableError, match=r"^a: x = .* in the header; expected a number of cells"):
        read_rle(f"{header}\no!", "a")


def test_the_letter_o_has_the_state_that_is_asked_for() -> None:
    assert read_rle("oAbyO!", "a", 255).cells.tolist() == [[255, 1, 0, 255]]


def test_place_generation_and_name_are_kept() -> None:
    pattern = read_rle("#N Twin\n#CXRLE Pos=-3,2 Gen=7\nx = 1, y = 1\no!", "a")
    assert (pattern.name, pattern.corner, pattern.generation) == ("Twin", (2, -3), 7)
    assert read_rle("#CXRLE Gen=9\no!", "a").generation == 9
    assert read_rle("#P -1 4\no!", "a").corner == (4, -1)


def test_digits_of_a_count_may_be_split_over_lines() -> None:
    assert read_rle("1\n2\n\no!", "a").cells.shape == (1, 12)
