"""What leads astray is refused, and the message says what to do."""

from dataclasses import replace

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray
from extra_data.components import AGIPD1M
from extra_data.reader import H5File

import geomlib
from geomlib import (
    GeometryError,
    GeometryWarning,
    assemble_data,
    dismantle_image,
    dismantle_mask,
    output_array,
    split_plan,
)
from geomlib.detectors import generic
from geomlib.simulate import write_euxfel_file

GEOMETRY = generic([(0, 0, 0), (0, 1e-2, 1e-2), (0, 2e-2, 0)], (8, 10), 1e-3)
FRAMES = np.random.default_rng(1).integers(1, 200, (4, *GEOMETRY.data_shape)).astype("f4")
AGIPD = geomlib.example_geometry("AGIPD-1M")


def lazily(shape, dtype="f4"):
    """An array that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


# -- Distance ---------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
def test_images_know_their_distance(lazy, tmp_path):
    data = da.from_array(FRAMES, chunks=2) if lazy else FRAMES
    plan = split_plan(GEOMETRY, distance=0.05)
    geomlib.save_plan(plan, tmp_path / "plan.h5")
    loaded = geomlib.load_plan(tmp_path / "plan.h5")
    assert loaded.distance == 0.05
    for options in ({"distance": 0.05}, {"plan": plan}, {"plan": loaded}):
        image = assemble_data(data, GEOMETRY, method="split", **options)
        assert image.distance == image.compute().distance == 0.05
    assert assemble_data(data, GEOMETRY, method="split").distance is None
    grid = split_plan(GEOMETRY, distance=0.05).grid
    drawn = np.random.default_rng(2).random(grid.shape) < 0.5
    mask = replace(image, data=drawn)
    for rule in ("nearest", "any"):
        expected = dismantle_mask(drawn, GEOMETRY, rule=rule, method="split", distance=0.05)
        found = dismantle_mask(mask, GEOMETRY, rule=rule)
        np.testing.assert_array_equal(found, expected)
        again = dismantle_mask(mask, GEOMETRY, rule=rule, distance=0.05)
        np.testing.assert_array_equal(again, expected)
        straight = dismantle_mask(replace(mask, distance=None), GEOMETRY, rule=rule)
        assert (straight != expected).any()
    np.testing.assert_array_equal(
        dismantle_image(mask, GEOMETRY, fill=False), dismantle_mask(mask, GEOMETRY)
    )
    with pytest.raises(GeometryError, match=r"distance=0.1, but the image .* distance=0.05"):
        dismantle_mask(mask, GEOMETRY, distance=0.1)


def test_plans_of_files_without_a_distance(tmp_path):
    geomlib.save_plan(split_plan(GEOMETRY), tmp_path / "plan.h5")
    with h5py.File(tmp_path / "plan.h5") as file:
        assert "distance" not in file.attrs
    assert geomlib.load_plan(tmp_path / "plan.h5").distance is None
    with h5py.File(tmp_path / "plan.h5", "a") as file:
        file.attrs["distance"] = -1.0
    with pytest.raises(geomlib.GeometryFileError, match="distance must be a positive"):
        geomlib.load_plan(tmp_path / "plan.h5")


# -- Options that do not go together, or are in the wrong unit --------------------------


@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_plans_go_with_split(method):
    plan = split_plan(GEOMETRY)
    for call in (
        lambda **o: assemble_data(FRAMES, GEOMETRY, **o),
        lambda **o: output_array(GEOMETRY, **o),
    ):
        with pytest.raises(GeometryError, match=f"plan goes with method='split', not '{method}'"):
            call(plan=plan, method=method)


@pytest.mark.parametrize("size", [200, 0.2, (1e-3, 200)])
def test_pixel_sizes_are_in_metres(size):
    with pytest.raises(GeometryError, match=r"pixel_size is in metres: .* tile .*, 0.008 m"):
        split_plan(GEOMETRY, pixel_size=size)
    assert split_plan(GEOMETRY, pixel_size=8e-3).grid.pixel_size == (8e-3, 8e-3)


@pytest.mark.parametrize(
    "options", [{}, {"method": "nearest"}, {"method": "split"}, {"binning": 2}]
)
def test_images_that_reach_out_of_the_whole(options):
    image = assemble_data(FRAMES[0], GEOMETRY, **options)
    mask = replace(image, data=image.data > 50)
    larger = np.zeros((image.shape[0] + 40, image.shape[1]), bool)
    elsewhere = replace(mask, centre=image.centre + 1000)
    for wrong in (replace(mask, data=larger), elsewhere):
        with pytest.raises(GeometryError, match="reaches out of the image"):
            dismantle_mask(wrong, GEOMETRY)
    if not options:
        with pytest.raises(GeometryError, match=r"image has shape .* reaches out of the image"):
            dismantle_image(replace(image, data=larger), GEOMETRY)
    for fine in ({}, {"centred": True}, {"region": np.s_[2:9, 1:]}):
        window = assemble_data(FRAMES[0], GEOMETRY, **options, **fine)
        dismantle_mask(replace(window, data=window.data > 50), GEOMETRY)


def test_output_array_for_all_options():
    plan = split_plan(GEOMETRY, oversample=2)
    for options in (
        {"region": np.s_[2:9, 1:]},
        {"binning": 2},
        {"region": np.s_[2:9, 1:], "binning": 3},
        {"method": "split", "plan": plan},
        {"method": "split", "plan": plan, "region": np.s_[:5, :]},
    ):
        out = output_array(GEOMETRY, 4, **options)
        assert assemble_data(FRAMES, GEOMETRY, out=out, **options).data is out


# -- Gains of raw data ------------------------------------------------------------------


def test_gain_axis_of_key_data(tmp_path):
    write_euxfel_file(
        tmp_path / "RAW-R0001-AGIPD00-S00000.h5",
        np.zeros((2, *AGIPD.data_shape), "u2"),
        AGIPD,
        raw=True,
    )
    with H5File(tmp_path / "RAW-R0001-AGIPD00-S00000.h5") as run:
        raw = AGIPD1M(run, raw=True)["image.data"]
        with pytest.raises(GeometryError, match=r"dask_array\(labelled=True\)\[:, :, 0\]"):
            assemble_data(raw, AGIPD, reduce="mean")
        plane = raw.dask_array(labelled=True)[:, :, 0]
        assert assemble_data(plane, AGIPD, reduce="mean").shape == (1256, 1092)


@pytest.mark.parametrize("lazy", [False, True])
def test_gain_axis_of_arrays(lazy):
    small = geomlib.example_geometry("LPD-Mini")
    data = np.ones((5, 2, *small.data_shape), "u2")
    given = da.from_array(data, chunks=2) if lazy else data
    with pytest.warns(GeometryWarning, match="looks like the gain axis of raw data"):
        assemble_data(given, small, reduce="mean")
    assemble_data(given[:, 0], small, reduce="mean")
    assemble_data(given.astype("f4"), small, reduce="mean")


# -- Data that is none ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "data is None, but must be an array"),
        ("run.h5", r"data is a str: open_frames\(path, geometry\)"),
        ((frame for frame in FRAMES), "data is a generator: pass a list"),
        (
            xarray.Dataset({"a": ("x", [1])}),
            "data is an xarray Dataset: pass one of its arrays, a",
        ),
        (assemble_data(FRAMES, GEOMETRY), "data is an AssembledImage: dismantle_image"),
        ([None] * 3, "data is a list of 3 entries, all of them None"),
    ],
)
def test_what_only_leads_to_data(data, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(data, GEOMETRY)


def test_files(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        stored = file.create_dataset("entry/data", data=FRAMES)
        out = file.create_dataset("out", output_array(GEOMETRY, 4).shape, "f4")
        for group, kind in ((file, "File"), (file["entry"], "Group")):
            with pytest.raises(GeometryError, match=f"data is a {kind} of h5py: pass a dataset"):
                assemble_data(group, GEOMETRY)
        with pytest.raises(GeometryError, match="mask is a File of h5py"):
            assemble_data(FRAMES, GEOMETRY, mask=file)
        with pytest.raises(GeometryError, match=r"out must have the shape \(4, 28, 10\), not \(3,"):
            assemble_data(stored, GEOMETRY, out=file.create_dataset("o", (3, 28, 10), "f4"))
    for name in ("mask", "dark"):
        with pytest.raises(GeometryError, match=f"{name} is a dataset whose file is closed"):
            assemble_data(FRAMES, GEOMETRY, **{name: stored})
    with h5py.File(tmp_path / "a.h5") as file:
        out = file["out"]
        with pytest.raises(GeometryError, match=r"out is a dataset .* open for reading only"):
            assemble_data(FRAMES, GEOMETRY, out=out)


def test_results_larger_than_memory():
    with pytest.raises(GeometryError, match=r"no memory .* reduce=, binning= or region="):
        output_array(GEOMETRY, 10**15)
    with pytest.raises(GeometryError, match=r"no memory .* out= can be a dataset"):
        assemble_data(lazily((10**15, *GEOMETRY.data_shape)), GEOMETRY)


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((16, 3, 512, 128), None, r"axis 0: pass np.moveaxis.*axis 1 is the gain axis of raw"),
        ((2, 16, 128, 512), None, r"the shape of DSSC-1M; or slow and fast scan are swapped"),
        ((2, 16, 256, 256), None, "the shape of LPD-1M"),
        ((3, 16, 512, 128), "stream", r"shape \(3, 16, 512, 128\); .*usual order .*leave axes out"),
    ],
)
def test_shapes(shape, axes, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(lazily(shape), AGIPD, axes=axes)


def test_labelled_raw_data():
    dims = ("module", "train_pulse", "dim_0", "dim_1", "dim_2")
    with pytest.raises(GeometryError, match=r"gain axis of raw data: data.isel\(dim_0=0\)"):
        assemble_data(xarray.DataArray(lazily((16, 3, 2, 512, 128)), dims=dims), AGIPD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill": np.nan}, r"cannot be held by uint16 pixels; .* must be floating"),
        ({"fill": -1}, r"cannot be held by uint16 pixels$"),
        ({"region": np.s_[100:200, :]}, "asks for rows 100:200, which holds none of the 28"),
        ({"region": np.s_[:, 5:2]}, "asks for columns 5:2, which holds none of the 10"),
        ({"region": np.s_[::2, :]}, "asks for rows ::2: only steps of 1 are possible; binning="),
    ],
)
def test_wordings(options, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(FRAMES.astype("u2"), GEOMETRY, **options)


def test_on_one_line():
    plan = split_plan(GEOMETRY, distance=0.05)
    n_y, n_x = plan.grid.shape
    assert repr(plan).startswith(f"<SplitPlan: {n_y} × {n_x} pixels (y, x) of 1000 × 1000 µm, ")
    assert repr(plan).endswith("overlaps, seen from 0.05 m>")
    assert "\n" not in repr(plan)
    image = assemble_data(da.from_array(FRAMES), GEOMETRY, method="nearest")
    assert repr(image).endswith(", nearest, lazy (dask)>")
    assert repr(image.compute()).endswith("), nearest>")
    assert repr(assemble_data(FRAMES, GEOMETRY)).endswith(")>")
