"""The protocol: what is written is read back, and anything else is refused in one line."""

import json
import math
import struct

import pytest

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.serve.access import Access, is_loopback
from aetheria.serve.protocol import Picture, ProtocolError, View, frame_bytes, read_frame, read_text, read_view

PICTURE = Picture(12, "density", 2, 3, 1, (0.0, 2.5), {"mass": 1.5}, bytes(range(6)), 4)


def test_a_frame_is_read_as_it_was_written() -> None:
    assert read_frame(frame_bytes(PICTURE)) == PICTURE


def test_the_layout_of_a_frame_is_the_documented_one() -> None:
    message = frame_bytes(PICTURE)
    (length,) = struct.unpack("<I", message[:4])
    head = json.loads(message[4 : 4 + length])
    assert head["type"] == "frame"
    assert (head["step"], head["height"], head["width"], head["channels"]) == (12, 2, 3, 1)
    assert message[4 + length :] == bytes(range(6))


def test_numbers_that_json_has_not_are_null_on_the_way() -> None:
    message = frame_bytes(Picture(0, "density", 1, 1, 1, (0.0, 1.0), {"mass": math.nan, "speed": math.inf}, b"\0"))
    assert b"NaN" not in message
    assert all(math.isnan(value) for value in read_frame(message).observables.values())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff{}",
        frame_bytes(PICTURE)[:-1],
        frame_bytes(PICTURE) + b"\0",
        b"\x02\0\0\0{}",
        b"\x02\0\0\0[]",
        frame_bytes(PICTURE).replace(b'"channels":1', b'"channels":2'),
        frame_bytes(PICTURE).replace(b'"height":2', b'"height":-2'),
    ],
)
def test_a_damaged_frame_is_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError, match="damaged"):
        read_frame(message)


@pytest.mark.parametrize("message", [b"\0", "", "garbage", "[]", "7", "{}", '{"type": 7}', '{"type": NaN}', "[" * 4000])
def test_a_text_that_is_no_message_is_refused_in_one_line(message: str | bytes) -> None:
    with pytest.raises(ProtocolError) as error:
        read_text(message, "message")
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_view_is_read_with_its_defaults() -> None:
    assert read_view({"type": "view"}) == View()
    given = {"type": "view", "field": "mass", "size": 64, "slice": "max", "universe": 2, "observables": ["mass", "mass"]}
    assert read_view(given) == View("mass", 64, "max", 2, ("mass",))


@pytest.mark.parametrize(
    "values",
    [
        {"feild": "x"},
        {"field": 3},
        {"size": 0},
        {"size": 5000},
        {"size": True},
        {"size": 1.5},
        {"slice": "min"},
        {"slice": True},
        {"slice": [1]},
        {"universe": -1},
        {"observables": "mass"},
        {"observables": ["a", "b", "c", "d", "e"]},
        {"observables": [1]},
    ],
)
def test_a_view_of_other_types_or_sizes_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match=r"view|did you mean|known"):
        read_view(values)


def test_each_server_has_another_token_and_admits_no_other() -> None:
    access, other = Access(), Access()
    assert access.token != other.token
    assert access.admits(access.token)
    for wrong in (other.token, "", None, 7, access.token[:-1], access.token + "x", "\ud800"):
        assert not access.admits(wrong)
    assert access.token not in repr(access)


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab", False)]
)
def test_only_the_loopback_needs_no_tls(host: str, own: bool) -> None:
    assert is_loopback(host) == own
    if own:
        Access(host)
    else:
        with pytest.raises(ConfigError, match="--tls-cert"):
            Access(host)


def test_files_for_tls_that_are_none_are_refused_by_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"key.pem"):
        Access(certificate=folder / "cert.pem", key=folder / "key.pem").tls()
    with pytest.raises(AetheriaError, match="expected both"):
        Access(certificate=folder / "cert.pem")
    with pytest.raises(ConfigError, match="65535"):
        Access(port=1 << 16)
