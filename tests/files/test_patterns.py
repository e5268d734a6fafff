"""Pattern files of every format: cells that Golly reads from the same texts, texts of many writers, files of other kinds."""

import gzip
import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from aetheria import Aetheria_Motor, Life, Recorder
from aetheria.core.errors import FileUnreadableError
from aetheria.files.pattern_text import MAX_TEXT_BYTES
from aetheria.files.patterns import read_pattern
from aetheria.laws.rules import read_rule
from tests.paths import GOLDEN

with np.load(GOLDEN / "pattern_formats.npz") as _file:
    EXPECTED = {name: _file[name] for name in _file.files}
CASES = json.loads(str(EXPECTED["meta"]))["cases"]

GLIDER = [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
RLE = "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"
CELLS = "!Name: Glider\n!\n.O.\n..O\nOOO\n"
LIF_105 = "#Life 1.05\n#D Glider\n#N\n#P -1 -1\n.*.\n..*\n***\n"
LIF_106 = "#Life 1.06\n0 -1\n1 0\n-1 1\n0 1\n1 1\n"
MCL = "#MCell 4.20\n#GAME Life\n#RULE 23/3\n#L .A$..A$3A\n"
MC = "[M2] (golly 3.3)\n#R B3/S23\n.*$..*$***$$$$$$\n"
TEXTS = {"g.rle": RLE, "g.cells": CELLS, "g.lif": LIF_105, "h.lif": LIF_106, "g.mcl": MCL, "g.mc": MC}


@pytest.mark.parametrize("case", CASES)
def test_golly_reads_the_same_cells_from_the_same_text(case: str, tmp_path: Path) -> None:
    about = CASES[case]
    path = tmp_path / about["file"]
    path.write_text(about["text"])
    pattern = read_pattern(path)
    rows, columns = pattern.live_box
    assert np.array_equal(pattern.cells[rows, columns], EXPECTED[f"{case}/cells"])
    assert pattern.generation == about["generation"]
    if pattern.corner is not None:
        assert (pattern.corner[0] + rows.start, pattern.corner[1] + columns.start) == (about["top"], about["left"])
    if pattern.rule is not None:
        assert read_rule(pattern.rule) == read_rule(about["rule"])


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("form", ["as it is", "crlf", "cr", "bom", "gzip", "no suffix", "wrong suffix", "no end of line"])
def test_a_glider_is_a_glider_in_every_format_and_form(name: str, form: str, tmp_path: Path) -> None:
    content = TEXTS[name].encode()
    path = tmp_path / name
    match form:
        case "crlf":
            content = content.replace(b"\n", b"\r\n")
        case "cr":
            content = content.replace(b"\n", b"\r")
        case "bom":
            content = b"\xef\xbb\xbf" + content
        case "gzip":
            content, path = gzip.compress(content), tmp_path / f"{name}.gz"
        case "no suffix":
            path = tmp_path / "pattern"
        case "wrong suffix":
            path = tmp_path / "pattern.rle"
        case "no end of line":
            content = content.rstrip()
    path.write_bytes(content)
    pattern = read_pattern(path)
    rows, columns = pattern.live_box
    assert pattern.cells[rows, columns].tolist() == GLIDER
    path.write_bytes(content)
    assert read_pattern(path, live=255).cells.max() == 255


@pytest.mark.parametrize("comment", ["#O Éclair, “x”", "#N Glider", "#C \x85 \u2028 \x0b x", "#C x = 9, y = 9"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_comments_in_any_encoding_do_not_matter(comment: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.rle"
    path.write_bytes(f"{comment}\n{RLE}".encode(encoding, "replace"))
    assert read_pattern(path).cells.tolist() == GLIDER


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_by_name(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(TEXTS[name].encode(encoding))
    with pytest.raises(FileUnreadableError, match="text in UTF-16; save it as UTF-8"):
        read_pattern(path)


@pytest.mark.parametrize(
    ("name", "text", "cells"),
    [
        ("a.cells", "!\n!\n.O\n\n..O\n", [[0, 1, 0], [0, 0, 0], [0, 0, 1]]),
        ("a.cells", ".O  \nOO\n", [[0, 1], [1, 1]]),
        ("a.cells", "!Name: dead\n...\n", [[0, 0, 0]]),
        ("a.cells", "*.*\n", [[1, 0, 1]]),
        ("a.txt", ".O\nO.\n", [[0, 1], [1, 0]]),
        ("a.lif", RLE, GLIDER),
        ("a.lif", "#P 0 0\n.*\n**\n", [[0, 1], [1, 1]]),
        ("a.lif", "#Life 1.05\n#P 0 0\n*\n#P 2 1\n*\n", [[1, 0, 0], [0, 0, 1]]),
        ("a.life", "#Life 1.06\n7\t7\n 8 8\n", [[1, 0], [0, 1]]),
        ("a.cells", RLE, GLIDER),
        ("a.mcl", "#MCell 4.00\n#GAME Generations\n#RULE 345/2/40\n#L .AaB$\n#L C\n", [[0, 1, 26], [3, 0, 0]]),
        ("a.mc", "[M2]\n#R 345/2/4\n1 0 2 3 0\n", [[0, 2], [3, 0]]),
        ("a.rle", "!\n", []),
        ("a.lif", "#Life 1.05\n", []),
        ("a.lif", "#Life 1.06\n", []),
        ("a.mcl", "#MCell 4.00\n#GAME Life\n", []),
        ("a.mc", "[M2]\n#R B3/S23\n", []),
        ("a.mc", "[M2]\n4 0 0 0 0\n", []),
    ],
)
def test_texts_of_many_writers(name: str, text: str, cells: list[list[int]], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert read_pattern(tmp_path / name).cells.tolist() == cells


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("#GAME Life\n#RULE 23/36\n#BOARD 40x30", "23/36:P40,30"),
        ("#GAME Life\n#BOARD 40x30\n#WRAP 1", "23/3:T40,30"),
        ("#GAME Larger than Life\n#RULE R5,C0,M1,S34..58,B34..45,NM", "R5,C0,M1,S34..58,B34..45,NM"),
        ("#GAME Rules table\n#RULE WireWorld", "WireWorld"),
        ("#GAME Vote for Life\n#RULE 23/3", "Vote for Life 23/3"),
        ("#GAME Margolus", "Margolus"),
    ],
)
def test_the_rule_of_an_mcell_file_is_that_of_its_game(text: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "a.mcl").write_text(f"#MCell 4.20\n{text}\n#L A\n")
    assert read_pattern(tmp_path / "a.mcl").rule == rule


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.cells", "!Name: x\n.O.X\n", "line 2: 'X'; expected rows of"),
        ("a.lif", "#Life 1.05\n#P a b\n*\n", "line 2: .*expected #P with two numbers"),
        ("a.lif", "#Life 1.05\n#P 0 0\n*x\n", "line 3: 'x'"),
        ("a.lif", "#Life 1.06\n1\n", "line 2: .*expected the x and y of a cell"),
        ("a.lif", "#Life 1.06\n0 0\n99999999 99999999\n", "expected 268,435,456 at most"),
        ("a.lif", "#Life 1.06\n0 0\n1 1000000000000000000000\n", "expected the x and y"),
        ("a.mcl", "#MCell 4.00\n#L 3A5q\n", "is no run of a MCell file"),
        ("a.mcl", "#MCell 4.00\n#L 999999999A\n", "expected 268,435,456 at most"),
        ("a.mcl", "#MCell 4.00\n#L 999999999$A\n", "expected 268,435,456 at most"),
        ("a.mc", "[M2]\n.*x$\n", "line 2: .*expected 8 rows of 8 cells"),
        ("a.mc", "[M2]\n.........*$\n", "expected 8 rows of 8 cells"),
        ("a.mc", "[M2]\n$$$$$$$$*$\n", "expected 8 rows of 8 cells"),
        ("a.mc", "[M2]\n4 0 0 0 1\n", "branch 1 is no earlier node of level 3"),
        ("a.mc", "[M2]\n*$\n5 0 0 0 1\n", "branch 1 is no earlier node of level 4"),
        ("a.mc", "[M2]\n*$\n9999 0 0 0 0\n", "level 9999; expected 1 to 1000"),
        ("a.mc", "[M2]\n1 0 0 0 256\n", "state 256; expected 0 to 255"),
        ("a.mc", "[M2]\nhello\n", "expected a leaf of"),
        ("a.rle", "hello\n", "'h' at character 1 of the runs is not an RLE run"),
        ("a.rle", "   \n", "is empty"),
        ("a.cells", "", "is empty"),
        ("a.rle", "x = 3, y = 3\nbo$2bo$3o\n", 'without "!"'),
    ],
)
def test_broken_texts_are_refused_with_their_place(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FileUnreadableError, match=words) as caught:
        read_pattern(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_macrocell_larger_than_memory_is_refused_and_a_far_small_one_is_read(tmp_path: Path) -> None:
    deep = [f"{level} {level - 3} 0 0 {level - 3}" for level in range(4, 900)]
    (tmp_path / "deep.mc").write_text("\n".join(["[M2]", "*$", *deep]))
    with pytest.raises(FileUnreadableError, match=r"deep\.mc: .* cells; expected 268,435,456 at most"):
        read_pattern(tmp_path / "deep.mc")
    far = [f"{level} {level - 3} 0 0 0" for level in range(4, 900)]
    (tmp_path / "far.mc").write_text("\n".join(["[M2]", "**$", *far]))
    assert read_pattern(tmp_path / "far.mc").cells.tolist() == [[1, 1]]


def test_a_macrocell_of_repeated_branches_is_expanded(tmp_path: Path) -> None:
    nodes = [f"{level} {level - 3} {level - 3} {level - 3} {level - 3}" for level in range(4, 10)]
    (tmp_path / "a.mc").write_text("\n".join(["[M2]", "*.$$$$$$$.......*$", *nodes]))
    leaf = np.zeros((8, 8), np.uint8)
    leaf[0, 0] = leaf[7, 7] = 1
    assert np.array_equal(read_pattern(tmp_path / "a.mc").cells, np.tile(leaf, (64, 64)))


def test_a_file_that_unpacks_to_too_much_or_is_torn_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.rle.gz").write_bytes(gzip.compress(b"#" * (MAX_TEXT_BYTES + 1)))
    with pytest.raises(FileUnreadableError, match="more than 33,554,432 bytes when unpacked"):
        read_pattern(tmp_path / "bomb.rle.gz")
    whole = gzip.compress(RLE.encode())
    (tmp_path / "torn.rle.gz").write_bytes(whole[:-9])
    (tmp_path / "bad.rle.gz").write_bytes(whole[:12] + b"????" + whole[16:])
    for name in ("torn.rle.gz", "bad.rle.gz"):
        with pytest.raises(FileUnreadableError, match="cannot be unpacked"):
            read_pattern(tmp_path / name)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each other kind."""
    folder = tmp_path_factory.mktemp("others")
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"})
    with Recorder(motor, folder / "run.h5", every=1):
        motor.step(1)
    np.save(folder / "a.npy", np.eye(3))
    np.savez(folder / "a.npz", cells=np.eye(3))
    torch.save({"w": torch.ones(1)}, folder / "w.pt")
    torch.save({"w": torch.ones(1)}, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"w": np.ones(1)}, folder / "w.safetensors")
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.gif"):
        Image.new("L", (4, 4), 255).save(folder / name)
    (folder / "run.toml").write_text("steps = 3\n[grid]\nwidth = 8\nheight = 8\n[law]\nname = 'Life'\n")
    (folder / "table.rule").write_text("@RULE Test\n@TABLE\nn_states:2\n")
    (folder / "page.html").write_text("<!DOCTYPE html><html></html>")
    return folder


KINDS = {
    "run.h5": "a recording",
    "a.npy": "a NumPy array",
    "a.npz": "an archive",
    "w.pt": "an archive",
    "old.pth": "an archive",
    "w.safetensors": "weights or a saved state",
    "a.png": "an image",
    "a.jpg": "an image",
    "a.bmp": "an image",
    "a.tif": "an image",
    "a.gif": "a film",
    "run.toml": "a config",
    "table.rule": "a rule file",
    "page.html": "a web page",
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("suffix", ["", ".rle"])
def test_a_file_of_another_kind_is_refused_by_name_whatever_its_suffix(
    name: str, suffix: str, others: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes((others / name).read_bytes())
    with pytest.raises(FileUnreadableError, match=f"is {KINDS[name]}.*; expected a pattern") as caught:
        read_pattern(path)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.rle")
    (tmp_path / "folder.rle").mkdir()
    (tmp_path / "loop.rle").symlink_to(tmp_path / "loop.rle")
    (tmp_path / "to_pipe.rle").symlink_to(tmp_path / "pipe.rle")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.rle"))
        for name in ("pipe", "folder", "loop", "to_pipe", "socket", "none"):
            with pytest.raises(FileUnreadableError, match=r"expected a pattern"):
                read_pattern(tmp_path / f"{name}.rle")
    with pytest.raises(FileUnreadableError, match="a device or a pipe"):
        read_pattern(Path("/dev/zero"))


def test_a_file_over_8_mib_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.rle").open("wb") as file:
        file.truncate((1 << 23) + 1)
    with pytest.raises(FileUnreadableError, match="8,388,609 bytes; expected a pattern"):
        read_pattern(tmp_path / "a.rle")
