"""Frames of detector data in files: European XFEL runs, CXI, any HDF5 dataset, numpy files."""

from geomlib.data.image_files import Origin, write_hdf5, write_npy
from geomlib.data.images import assemble_frames, assemble_reduced, reduce_frames
from geomlib.data.open import open_frames
from geomlib.data.selection import select_frames
from geomlib.data.stack import FrameStack

__all__ = [
    "FrameStack",
    "Origin",
    "assemble_frames",
    "assemble_reduced",
    "open_frames",
    "reduce_frames",
    "select_frames",
    "write_hdf5",
    "write_npy",
]
