"""Files of tensors from anywhere: no claim in them is believed, and nothing is taken for what it is not."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from aetheria.core import memory_limits
from aetheria.core.errors import FileUnreadableError, StateError
from aetheria.files.tensor_files import read_tensor_file


def old(content: object, path: Path) -> bytes:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


def test_the_places_of_tensors_in_a_checkpoint_are_its_keys(tmp_path: Path) -> None:
    inner = {"a": torch.zeros(1), "more": {"b": torch.ones(2)}, 3: torch.zeros(1)}
    torch.save({"w": torch.zeros(3), "state": inner, "config": "text", "n": 4, "list": [torch.zeros(1)]}, tmp_path / "w.pt")
    file = read_tensor_file(tmp_path / "w.pt")
    found = {place: {name: tuple(t.shape) for name, t in group.items()} for place, group in file.groups.items()}
    assert found == {"": {"w": (3,)}, "state": {"a": (1,)}, "state.more": {"b": (2,)}}
    assert file.notes == {"config": "text"}


def test_a_mapping_inside_itself_ends(tmp_path: Path) -> None:
    turning: dict[str, object] = {f"k{n}": None for n in range(300)}
    turning |= dict.fromkeys(turning, turning)
    torch.save({"w": torch.zeros(1), "turning": turning}, tmp_path / "w.pt")
    assert list(read_tensor_file(tmp_path / "w.pt").groups) == [""]


def test_an_old_file_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    whole = old({"w": torch.arange(3.0)}, path)
    claim = b"K\x03N" if b"K\x03N" in whole else b"K\x03"  # of the storage: three numbers
    assert whole.count(claim) == 1
    path.write_bytes(whole.replace(claim, b"J\xff\xff\xff\x7f" + claim[2:]))
    with pytest.raises(FileUnreadableError, match="claim more bytes than the file has"):
        read_tensor_file(path)


def test_an_old_file_whose_tensor_is_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    whole = old({"w": torch.arange(3.0)}, path)
    assert whole.count(b"K\x03\x85") == 1  # the shape (3,)
    path.write_bytes(whole.replace(b"K\x03\x85", b"J\x00\x00\x00\x10\x85"))  # 1 GiB
    before = psutil.Process().memory_info().rss
    with pytest.raises(FileUnreadableError, match="cannot be read as weights"):
        read_tensor_file(path)
    assert psutil.Process().memory_info().rss - before < 2**28


@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_that_repeats_its_numbers_without_end_is_refused(zipped: bool, tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1).expand(1 << 44)}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(StateError, match=r"needs at least 131,072\.0 GiB"):
        read_tensor_file(tmp_path / "w.pt")


def test_a_tensor_that_repeats_some_numbers_is_read(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(9.0).reshape(1, 1, 3, 3).expand(4, 1, 3, 3)}, tmp_path / "w.pt")
    assert read_tensor_file(tmp_path / "w.pt").groups[""]["w"].sum() == 4 * 36


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_other_layouts_are_refused(zipped: bool, tmp_path: Path) -> None:
    for tensor in (torch.eye(3).to_sparse(), torch.zeros(3, device="meta")):
        torch.save({"w": tensor}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
        with pytest.raises(FileUnreadableError, match="expected a state dict of plain tensors"):
            read_tensor_file(tmp_path / "w.pt")


def test_a_torchscript_module_and_the_oldest_form_of_torch_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with pytest.warns(DeprecationWarning, match=r"`torch\.jit"):
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(FileUnreadableError, match="TorchScript") as caught:
        read_tensor_file(path)
    assert str(caught.value).isprintable()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("storages"))
    path.write_bytes(content.getvalue())
    with pytest.raises(FileUnreadableError, match="neither a zip archive nor"):
        read_tensor_file(path)


# -- npz ---------------------------------------------------------------------------------------------------------------


def test_arrays_of_any_order_of_bytes_and_axes_are_read(tmp_path: Path) -> None:
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays = {"a": plain, "b": plain.astype(">f8"), "c": np.asfortranarray(plain), "d": plain.astype(np.longdouble)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]  # by NumPy's stubs
        for tensor in read_tensor_file(tmp_path / "w.npz").groups[""].values():
            assert np.array_equal(tensor.numpy(), plain)


def npz(path: Path, header: bytes, data: bytes = bytes(8)) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data)
    return path


def test_arrays_of_objects_and_false_claims_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.array([{}, 1], object))
    with pytest.raises(FileUnreadableError, match="expected real numbers"):
        read_tensor_file(tmp_path / "w.npz")
    for shape in ("(10000000000,)", "(-1,)", "(2,) * 3", "('a',)"):
        path = npz(tmp_path / "w.npz", b"{'descr': '<f8', 'fortran_order': False, 'shape': %s}" % shape.encode())
        with pytest.raises(FileUnreadableError, match="cannot be read as weights"):
            read_tensor_file(path)


def test_a_compressed_file_needs_memory_for_what_it_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "w.npz", w=np.zeros(100_000))
    assert (tmp_path / "w.npz").stat().st_size < 2_000
    monkeypatch.setattr(memory_limits, "available_bytes", lambda *_: 500_000)
    with pytest.raises(StateError, match=r"needs at least 1\.5 MiB"):
        read_tensor_file(tmp_path / "w.npz")
