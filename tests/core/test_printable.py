"""Printable text: control characters of names and titles never reach a terminal, a log or an error as they are."""

import ast
import logging
import pickle
from pathlib import Path

import pytest

from aetheria.core.errors import ConfigError, NoSuchFieldError, RecordingError
from aetheria.core.printable import counted, get_logger, printable
from aetheria.core.shell import shell_quoted
from tests.paths import ROOT

HOSTILE = {
    "escape": "a\x1b]0;owned\x07b",
    "bell": "\x07",
    "C1": "\x9b31m",
    "override": "txt.\u202egpj",
    "isolate": "\u2066x\u2069",
    "newline": "a\nok all done",
    "return": "a\rb",
    "separator": "a\u2028b",
    "surrogate": "a\udc9bb",
    "tags": "a\U000e0041b",
    "null": "a\0b",
    "del": "a\x7fb",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_becomes_one_printable_line_that_is_stable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown != text
    assert printable(shown) == shown
    shown.encode()  # a lone surrogate would raise


@pytest.mark.parametrize(
    "text",
    [
        "Zürich 128 \N{MULTIPLICATION SIGN} 128",
        "\N{FAMILY}",
        "日本語 עברית",
        "e\u0301",
        "C:\\new",
        "\u06cc\u200c\u062e",
        "50 %",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_kept_characters_stay() -> None:
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_errors_hold_printable_lines_and_are_pickled(text: str) -> None:
    error = RecordingError(f"{text}: no such file")
    assert str(error).isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(ConfigError("one", f"two {text}")).count("\n") == 1


def test_a_key_error_of_ours_says_its_message_without_quotes() -> None:
    assert str(NoSuchFieldError('no field "x"')) == 'no field "x"'


def test_log_records_are_printable_for_every_handler(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        get_logger("aetheria.tests").warning("%s: odd", HOSTILE["escape"])
    assert caplog.messages == ["a\\x1b]0;owned\\x07b: odd"]


def test_every_logger_of_ours_is_made_by_get_logger() -> None:
    for file in sorted((ROOT / "aetheria").rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
        named = [call for call in calls if ast.unparse(call.func) == "logging.getLogger" and "__name__" in ast.unparse(call)]
        assert not named, f"{file}: use aetheria.core.printable.get_logger"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("run.h5", "run.h5"),
        ("my run.h5", "'my run.h5'"),
        ("a'b", "'a'\"'\"'b'"),
        ("$x", "'$x'"),
        ("a\x1b'\\", "$'a\\x1b\\'\\\\'"),
    ],
)
def test_file_names_in_commands_are_quoted_for_a_shell(name: str, command: str) -> None:
    assert shell_quoted(Path(name)) == command


def test_counted_nouns() -> None:
    assert [counted(n, "channel") for n in (0, 1, 2, 1200)] == ["0 channels", "1 channel", "2 channels", "1,200 channels"]
