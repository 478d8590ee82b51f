"""The same image whatever the layout, the number of threads, the store, and the way to it."""

import h5py
import numpy as np
import pytest

import geomlib
from geomlib import assemble_data

PIXEL = 75e-6


def overlapping_jungfrau():
    """A module whose second tile lies on parts of its neighbours, a row further up."""
    return geomlib.example_geometry("JUNGFRAU-500K").offset([-12 * PIXEL, PIXEL, 0], tiles=[1])


def numbered(geometry):
    """A frame in which each pixel says its tile, and its image: the later tile is on top."""
    data = np.zeros(geometry.data_shape, "f4")
    for tile, (module, *bounds) in enumerate(geometry.detector.tile_bounds):
        data[module, bounds[0] : bounds[1], bounds[2] : bounds[3]] = tile
    first = np.rint(geometry.tile_corners[:, :2] / PIXEL).astype(int)
    ends = np.rint((256 * (geometry.tile_ss + geometry.tile_fs))[:, :2] / PIXEL).astype(int)
    low, high = np.minimum(first, first + ends), np.maximum(first, first + ends)
    low, high = low - low.min(axis=0), high - low.min(axis=0)
    image = np.full(high.max(axis=0)[::-1], -1, "f4")
    for tile, ((left, bottom), (right, top)) in enumerate(zip(low, high, strict=True)):
        image[bottom:top, left:right] = tile
    return data, image


@pytest.mark.jit
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_later_tiles_of_a_module_are_on_top(threads):
    geometry = overlapping_jungfrau()
    data, image = numbered(geometry)
    stack = np.stack([data] * 40)
    options = {"fill": -1, "threads": threads}
    strided = np.empty((*image.shape, 2), "f4")[..., 0]
    for found in (
        assemble_data(data, geometry, **options),
        assemble_data(data, geometry, gain=1.0, **options),
        assemble_data(data, geometry, out=strided, **options),
        assemble_data(stack, geometry, reduce="mean", **options),
    ):
        np.testing.assert_array_equal(found.data, image)
    for more in ({}, {"gain": 1.0}):
        for frame in assemble_data(stack, geometry, **more, **options).data[[0, 20, 39]]:
            np.testing.assert_array_equal(frame, image)


def values(image):
    return np.unique(image.data[np.isfinite(image.data)]).tolist()


@pytest.mark.parametrize("kind", ["memory", "HDF5", "dask"])
@pytest.mark.parametrize("how", ["max", "min", "sum"])
def test_pixels_of_whole_numbers_without_a_value_do_not_count(how, kind, tmp_path):
    geometry = geomlib.detectors.generic([(0, 0), (2e-3, 1e-4)], (8, 12), 1e-4)
    frames = np.full((5, *geometry.data_shape), 10, "u2")
    mask = np.zeros(geometry.data_shape, bool)
    mask[0, ::2, ::2] = True
    result = 50 if how == "sum" else 10
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if kind == "memory":
            data = frames
        elif kind == "HDF5":
            data = file.create_dataset("data", data=frames, chunks=(1, *frames.shape[1:]))
        else:
            data = pytest.importorskip("dask.array").from_array(frames, chunks=(2, 1, -1, -1))
        options = {"mask": mask, "reduce": how}
        binned = assemble_data(data, geometry, binning=2, **options).compute()
        assert values(binned) == [result]
        true = assemble_data(data, geometry, method="split", **options).compute()
        # Areas are float32.
        assert values(true) == pytest.approx([result] * len(values(true)), rel=1e-6)
        floating = assemble_data(data, geometry, dtype="f8", **options).compute()
        assert values(floating) == [result]
        assert np.isnan(floating.data).sum() == floating.data.size - (~mask).sum()
        filled = assemble_data(data, geometry, fill=7, **options).compute()
        assert (filled.data == 7).sum() == filled.data.size - (~mask).sum()
        plain = assemble_data(data, geometry, **options).compute()
        assert plain.data.dtype.kind in "iu"
        assert values(plain) == [0, result]


def test_labels_count_on_the_way_into_a_dataset(tmp_path):
    xarray = pytest.importorskip("xarray")
    geometry = geomlib.detectors.generic([(0, 0), (2e-3, 0)], (4, 5), 1e-4)
    data = np.random.default_rng(0).random((3, 2, 4, 5), dtype="f4")
    whole = assemble_data(data, geometry)
    labelled = xarray.DataArray(
        data[:, ::-1], dims=("train", "module", "ss", "fs"), coords={"module": [1, 0]}
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        out = file.create_dataset("images", whole.shape, "f4")
        mean = file.create_dataset("mean", whole.shape[1:], "f4")
        for some in (labelled, labelled.transpose("module", "train", "ss", "fs"), labelled[:, :1]):
            assemble_data(some, geometry, out=out)
            np.testing.assert_array_equal(out[()], assemble_data(some, geometry).data)
            assemble_data(some, geometry, out=mean, reduce="mean")
            expected = assemble_data(some, geometry, reduce="mean").data
            np.testing.assert_array_equal(mean[()], expected)
        assemble_data(labelled, geometry, out=out)
        np.testing.assert_array_equal(out[()], whole.data)


def test_a_large_frame_in_foreign_byte_order():
    """More than a block, and no axis of frames along which to cut it."""
    geometry = geomlib.detectors.generic([(0, i * 0.05) for i in range(17)], (512, 1024), PIXEL)
    data = np.arange(np.prod(geometry.data_shape)).reshape(geometry.data_shape)
    images = [assemble_data(data.astype(kind), geometry).data for kind in (">f8", "f8")]
    np.testing.assert_array_equal(*images, strict=True)


def test_complex_numbers_in_foreign_byte_order():
    geometry = geomlib.detectors.generic([(0, 0)], (4, 5), 1e-4)
    data = (np.arange(20) + 1j).reshape(1, 4, 5)
    for kind in ("c8", "c16"):
        image = assemble_data(data.astype(f">{kind}"), geometry)
        np.testing.assert_array_equal(
            image.data, assemble_data(data.astype(kind), geometry).data, strict=True
        )
