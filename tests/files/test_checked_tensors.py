"""Files of tensors: damage is noticed, and nothing is built that the file does not hold."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from aetheria.core.errors import FileUnreadableError
from aetheria.files.checked_tensors import read_archive, read_safetensors, write_safetensors
from aetheria.training import train_state
from aetheria.training.train_state import load

WEIGHTS = {"a": torch.arange(12.0).reshape(3, 4), "b": torch.tensor([1, 2, 3])}
Entry = tuple[zipfile.ZipInfo, bytes]


def saved(path: Path, content: Any, change: Callable[[str, bytes], bytes] = lambda _, data: data, method: int = 0) -> Path:
    """Writes a `.pt` whose entries are changed, with checksums that match."""
    stream = io.BytesIO()
    torch.save(content, stream)
    with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(path, "w", method) as target:
        for name in archive.namelist():
            target.writestr(name, change(name, archive.read(name)))
    return path


def test_an_archive_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    torch.save({"step": 3, "law": WEIGHTS}, tmp_path / "x.pt")
    found = read_archive(tmp_path / "x.pt", "a state")
    assert found["step"] == 3
    assert all(torch.equal(found["law"][name], WEIGHTS[name]) for name in WEIGHTS)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.7])
def test_a_flipped_bit_of_a_tensor_in_an_archive_is_noticed(place: float, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(10_000)}, path)
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 4
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["a"].ne(1).any()  # torch alone reads other numbers
    with pytest.raises(FileUnreadableError, match=r"entry 'x/data/0' does not match its checksum"):
        read_archive(path, "weights")


def test_a_state_of_a_training_that_would_inflate_is_refused(tmp_path: Path) -> None:
    bomb = saved(tmp_path / "x.pt", {"config": "", "w": torch.zeros(1 << 22)}, method=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 18
    with pytest.raises(FileUnreadableError, match="or compressed ones, or folders"):
        load(bomb, "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(1).expand(2**25), "its tensors claim 134,217,728 bytes in a file of"),
        (torch.zeros(3, 3).to_sparse(), r"one is sparse, quantised or without data \(sparse_tensor\)"),
        (torch.zeros(3, device="meta"), "one is sparse, quantised or without data"),
        (bytearray(8), r"it holds Python objects \(__builtin__\.bytearray\)"),
    ],
)
def test_a_pickle_builds_no_more_than_the_file_holds(given: Any, words: str, tmp_path: Path) -> None:
    torch.save({"config": "", "w": given}, tmp_path / "x.pt")
    with pytest.raises(FileUnreadableError, match=words):
        load(tmp_path / "x.pt", "")


def test_an_archive_behind_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(WEIGHTS, path)
    whole = path.read_bytes()
    for content in (b"x" * 100 + whole, whole + b"\0" * 30, whole[:-22] + whole[-22:-2] + b"\x05\0hello"):
        path.write_bytes(content)
        with pytest.raises(FileUnreadableError, match=r"not an archive as torch\.save writes it, or its end is missing"):
            read_archive(path, "weights")


def test_an_entry_that_is_called_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(3)}, path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02", content.index(b"x/data/0") + 100)
    while not content[entry + 46 :].startswith(b"x/data/0"):
        entry = content.index(b"PK\x01\x02", entry + 1)
    content[entry + 38] = 0x10
    path.write_bytes(content)
    with pytest.raises(FileUnreadableError, match="or compressed ones, or folders"):
        read_archive(path, "weights")


def test_a_state_that_is_no_table_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "x.pt")
    with pytest.raises(FileUnreadableError, match="cannot be read as the state of a training; it holds a list"):
        train_state.load(tmp_path / "x.pt", "")


def test_every_changed_byte_of_weights_that_were_written_here_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(WEIGHTS, path, {"config": "steps = 3"})
    tensors, metadata = read_safetensors(path, "weights")
    assert all(torch.equal(tensors[name], WEIGHTS[name]) for name in WEIGHTS)
    assert metadata["config"] == "steps = 3"
    whole = path.read_bytes()
    for at in range(len(whole) - 72, len(whole)):  # all of the tensors
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(FileUnreadableError, match="is damaged; its contents have the digest"):
            read_safetensors(path, "weights")
    path.write_bytes(whole.replace(b"steps = 3", b"steps = 4"))
    with pytest.raises(FileUnreadableError, match="is damaged"):
        read_safetensors(path, "weights")


def test_weights_of_other_programs_need_no_digest(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "x.safetensors")
    assert torch.equal(read_safetensors(tmp_path / "x.safetensors", "weights")[0]["a"], WEIGHTS["a"])
