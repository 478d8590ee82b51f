"""Other packages' objects and habits: EXtra-data's, as in the examples of its documentation."""

import extra_geom as original
import numpy as np
import pytest

from geomlib.compat import extra_geom as replacement
from tests.compat.examples import EXAMPLES, QUADS_LPD

extra_data = pytest.importorskip("extra_data")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Falling back to raw data"),
]


def both(make):
    return make(original), make(replacement)


def assert_same_images(make, *arrays):
    old, new = both(make)
    for data in arrays:
        (image, centre), (mine, my_centre) = (g.position_modules(data) for g in (old, new))
        np.testing.assert_array_equal(mine, image, strict=True)
        assert tuple(my_centre) == tuple(centre)


def lpd(package):
    return package.LPD_1MGeometry.from_quad_positions(QUADS_LPD)


@pytest.fixture(scope="module")
def lpd_run(tmp_path_factory):
    from extra_data.tests.make_examples import make_fxe_run

    folder = tmp_path_factory.mktemp("fxe")
    make_fxe_run(folder, format_version="1.0")
    _fill(folder, "FXE_DET_LPD1M-1")
    return extra_data.RunDirectory(folder).select_trains(np.s_[:2])


def _fill(folder, detector):
    """Give the empty images of mock files numbers; only the first ones, which are looked at."""
    import h5py

    rng = np.random.default_rng(0)
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path, "r+") as file:
            for name in file.get(f"INSTRUMENT/{detector}/DET", {}):
                data = file[f"INSTRUMENT/{detector}/DET/{name}/image/data"]
                data[:4] = rng.integers(0, 1000, data[:4].shape)


def test_lpd_data_of_the_documentation(lpd_run):
    """Notebook "Accessing LPD data"."""
    from extra_data.components import LPD1M

    pulses = extra_data.by_index[:2]
    whole = LPD1M(lpd_run).get_array("image.data", pulses=pulses)
    four = LPD1M(lpd_run, modules=[2, 7, 8, 13])
    some = four.get_array("image.data", pulses=pulses)
    one_frame = some.isel(train=0, pulse=0)
    trains = [data["image.data"] for _, data in four.trains(pulses=pulses)]
    assert_same_images(lpd, whole, some, one_frame, *trains)


def test_stacked_data_of_the_documentation(lpd_run):
    """``stack_detector_data``, as an array and module by module, and the picture of a frame."""

    selected = lpd_run.select("*LPD1M-1/DET/*", "image.data")
    _, train = selected.train_from_index(0)
    for data in train.values():
        data["image.data"] = data["image.data"][:2]
    stacked = extra_data.stack_detector_data(train, "image.data")
    view = extra_data.stack_detector_data(train, "image.data", real_array=False)
    # Raw LPD has an axis of gains, of length 1 in mock files.
    assert_same_images(lpd, stacked.squeeze(axis=1) if stacked.ndim == 5 else stacked)
    old, new = both(lpd)
    (image, _), (mine, _) = (g.position_modules(view) for g in (old, new))
    np.testing.assert_array_equal(mine, image, strict=True)
    axes = new.plot_data(np.squeeze(stacked)[0])
    assert axes.images[0].get_array().shape == image.shape[-2:]


def test_dask_averages_of_the_documentation():
    """Notebook "Averaging detector data with Dask": frames by memory cell, computed or not."""
    dask_array = pytest.importorskip("dask.array")
    rng = np.random.default_rng(1)
    modules = [dask_array.from_array(rng.random((3, 512, 128), "f4")) for _ in range(16)]
    averages = dask_array.stack(modules)
    in_order = np.moveaxis(averages.compute(), 0, 1)
    assert_same_images(EXAMPLES["AGIPD-1M"], in_order)
    _, new = both(EXAMPLES["AGIPD-1M"])
    image, _ = new.position_modules(dask_array.moveaxis(averages, 0, 1))
    assert isinstance(image, np.ndarray)
    np.testing.assert_array_equal(image, new.position_modules(in_order)[0])
    out = new.output_array_for_position((3,))
    new.position_modules(dask_array.moveaxis(averages, 0, 1), out=out)
    np.testing.assert_array_equal(out, image)


def test_jungfrau_data():
    """Labelled from 1, of the detector's own class."""
    xarray = pytest.importorskip("xarray")
    data = np.random.default_rng(2).random((8, 2, 3, 512, 1024)).astype("f4")
    labelled = xarray.DataArray(
        data, dims=("module", "train", "cell", "y", "x"), coords={"module": range(1, 9)}
    )
    assert_same_images(EXAMPLES["JUNGFRAU-4M"], labelled[:, :1, :1], labelled[[0, 5], 0, :1])


def test_files_and_lists():
    """Datasets, as EXtra-geom takes them too; a list of arrays is new."""
    import h5py

    rng = np.random.default_rng(3)
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("d", data=rng.random((2, 8, 512, 128), "f4"))
        assert_same_images(EXAMPLES["AGIPD-500K"], data)
        _, new = both(EXAMPLES["AGIPD-500K"])
        image, _ = new.position_modules(data)
        out = np.zeros_like(image)
        new.position_modules(data, out=out)
        np.testing.assert_array_equal(out, np.nan_to_num(image))
        mine, _ = new.position_modules({m: data[:, m] for m in range(8)})
        np.testing.assert_array_equal(mine, image)
