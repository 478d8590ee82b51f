"""Damaged files give an error that says so, or data: nothing else."""

import random

import h5py
import numpy as np
import pytest

from geomlib.data import open_frames
from geomlib.detectors import generic
from geomlib.errors import GeometryFileError

GEOMETRY = generic([(0, 0), (1, 0), (2, 0)], (8, 10), 1e-3)
FRAMES = np.random.default_rng(0).random((4, *GEOMETRY.data_shape)).astype("f4")


def write_npy(path):
    np.save(path, FRAMES)


def write_npz(path):
    np.savez(path, x=FRAMES)


def write_compressed_npz(path):
    np.savez_compressed(path, x=FRAMES)


def write_cxi(path):
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "entry_1/data_1/data", data=FRAMES, chunks=(1, 3, 8, 10), compression="gzip"
        )


def write_run(path):
    with h5py.File(path, "w") as file:
        file["INDEX/trainId"] = np.arange(1, 5, dtype="u8")
        for module in range(3):
            index = file.create_group(f"INDEX/X/DET/{module}CH0:xtdf/image")
            index["first"], index["count"] = np.arange(4, dtype="u8"), np.ones(4, "u8")
            group = file.create_group(f"INSTRUMENT/X/DET/{module}CH0:xtdf/image")
            group["data"] = FRAMES[:, module]
            group["pulseId"] = np.zeros(4, "u8")


def mutate(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice([1, 2, 5, 20])):
        place = rng.randrange(min(len(data), rng.choice([100, 2000, 10**6])) or 1)
        kind = rng.random()
        if kind < 0.6:
            data[place : place + 1] = bytes([rng.choice([0, 255, rng.randrange(256)])])
        elif kind < 0.8:
            del data[place : place + rng.randrange(1, 50)]
        else:
            data[place:place] = rng.randbytes(rng.randrange(1, 20))
    return bytes(data)


@pytest.mark.filterwarnings("ignore")  # numpy's about old headers, ours about missing identifiers
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npy", write_npy),
        ("a.npz", write_npz),
        ("b.npz", write_compressed_npz),
        ("a.cxi", write_cxi),
        ("a.h5", write_run),
    ],
)
def test_damaged_files_give_data_or_an_error(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    np.testing.assert_array_equal(open_frames(path, GEOMETRY).read(range(4)), FRAMES)
    whole = path.read_bytes()
    rng = random.Random(17)
    refused = []
    for _ in range(250):
        path.write_bytes(mutate(whole, rng))
        try:
            stack = open_frames(path, GEOMETRY)
            data = stack.read(range(min(4, stack.n_frames)), fill=0)
        except GeometryFileError as error:
            refused.append(error.path)
        else:
            assert data.shape[1:] == GEOMETRY.data_shape
    assert 50 < len(refused) < 250
    assert set(refused) == {str(path)}
