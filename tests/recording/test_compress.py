"""Chunks compressed without HDF5, read back by HDF5, which checks and undoes each filter."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aetheria.recording.compress import append_compressed_row, encode_chunk, fletcher32

FILTERS = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    dtype=st.sampled_from([np.float32, np.float16, np.uint8, np.float64]),
    data=st.data(),
)
def test_hdf5_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], dtype: type, data: st.DataObject
) -> None:
    chunk = tuple(data.draw(st.integers(1, length)) for length in shape)
    kind = data.draw(st.sampled_from(["noise", "zeros", "ones"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    frames = {"noise": 200 * rng.random((2, *shape)), "zeros": np.zeros((2, *shape)), "ones": np.full((2, *shape), 255)}[kind]
    frames = frames.astype(dtype)
    path = tmp_path_factory.mktemp("chunks") / "x.h5"
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("x", (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *chunk), **FILTERS)
        for row, values in enumerate(frames):
            rows.resize(row + 1, 0)
            append_compressed_row(rows, row, values)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["x"][()], frames)


def test_the_checksum_is_hdf5s_own(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((1, 33, 7)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=values, chunks=values.shape, fletcher32=True)
        _, stored = data.id.read_direct_chunk((0, 0, 0))
    assert stored[-4:] == fletcher32(stored[:-4]).to_bytes(4, "little")


def test_a_chunk_that_was_damaged_is_noticed_by_hdf5(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((16, 16)).astype(np.float32)
    content = bytearray(encode_chunk(values))
    content[len(content) // 2] ^= 1
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", (1, 16, 16), np.float32, chunks=(1, 16, 16), **FILTERS)
        data.id.write_direct_chunk((0, 0, 0), bytes(content))
    with h5py.File(tmp_path / "x.h5") as file, pytest.raises(OSError, match=r"(?i)fletcher|filter"):
        file["x"][()]
