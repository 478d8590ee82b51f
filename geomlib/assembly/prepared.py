"""What a plain call of `assemble_data` worked out, kept for the next one of the same kind.

For a single frame, looking at the arguments takes as long as the copying. Live previews ask for the
same again and again: the same geometry and options, arrays of the same layout somewhere else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import Stack, frame_blocks
from geomlib.assembly.memory import image_room
from geomlib.assembly.plan import Plan
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from geomlib.assembly.run import Finish
    from geomlib.kernels.snap import Work

NDArray = npt.NDArray[Any]
#: So many kinds of calls are remembered.
MOST = 16
#: Of images up to this size: for larger ones it makes no difference.
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything but the arrays themselves.

    Attributes
    ----------
    geometry : Geometry
        Kept alive, since it is looked up by its identity.
    plan : Plan
        Of the images.
    shape : tuple of int
        Of the images, (…, y, x).
    dtype : dtype
        Of the images.
    work : list of Work
        For data and images that begin at address 0, one after the other.
    run : callable
        Does some work.
    """

    geometry: Geometry
    plan: Plan
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    work: list[Work]
    run: Callable[[Work], None]

    def assemble(self, data: NDArray, out: NDArray | None) -> AssembledImage:
        """Do what `assemble_data` does."""
        image = image_room(self.shape, self.dtype) if out is None else out
        start, target = (array.__array_interface__["data"][0] for array in (data, image))
        for work in self.work:
            self.run(work.moved(start, target))
        grid = self.plan.grid
        return AssembledImage(image, np.array(grid.centre), grid.pixel_size, self.geometry)


#: Options of `assemble_data` that make a call another kind of call; and those that make it no plain
#: one.
_PLAIN = (
    "method", "axes", "dtype", "centred", "binning_mode", "values", "oversample",
    "pixel_size", "threads",
)  # fmt: skip
_NOT_PLAIN = (
    "mask", "mask_bits", "dark", "gain", "present", "reduce", "region", "binning", "distance",
    "plan",
)  # fmt: skip

_known: OrderedDict[Hashable, Prepared] = OrderedDict()


def kind_of_call(given: dict[str, Any]) -> Hashable | None:
    """Return what two calls must have in common to be of the same kind.

    Parameters
    ----------
    given : dict
        All arguments of `assemble_data`, by name.

    Returns
    -------
    tuple or None
        None for a call that is not plain: whose data is no array, or treated, reduced, or binned.
    """
    data, out = given["data"], given["out"]
    if type(data) is not np.ndarray or not (out is None or type(out) is np.ndarray):
        return None
    for name in _NOT_PLAIN:
        if given[name] is not None:
            return None
    array = None
    if out is not None:
        array = (out.shape, out.strides, out.dtype, out.flags.writeable, out.flags.aligned)
        if np.may_share_memory(out, data):
            return None
    layout = (data.shape, data.strides, data.dtype, data.flags.aligned)
    fill = given["fill"]
    if isinstance(fill, np.ndarray):
        return None  # as text, its last digits are missing
    # As text: 0.0 and -0.0 are equal.
    value = None if fill is None else (type(fill), repr(fill))
    options = tuple(given[name] for name in _PLAIN)
    # With their types: True and 1 are equal.
    kind = (id(given["geometry"]), layout, array, value, options, tuple(map(type, options)))
    try:
        hash(kind)
    except TypeError:
        return None
    return kind


def recall(kind: Hashable | None) -> Prepared | None:
    """Return what is known about a kind of call."""
    known = None if kind is None else _known.get(kind)
    if known is not None:
        # Another thread may just have dropped it.
        with suppress(KeyError):
            _known.move_to_end(kind)
    return known


def remember(
    kind: Hashable,
    geometry: Geometry,
    plan: Plan,
    data: Any,
    stack: Stack,
    image: NDArray,
    finish: Finish,
) -> None:
    """Keep what one thread needs to know for the next call of this kind, if it is a plain one."""
    # The kernels, and with them the compiler, load with the first image.
    from geomlib.assembly.copiers import TileCopier, make_copier, run
    from geomlib.assembly.run import Job

    ((part, numbers), *more) = stack.parts
    blocks = list(frame_blocks(stack.frames, image, part)) if not more else []
    half = np.float16 in (stack.dtype, image.dtype) and stack.dtype != image.dtype
    plain = not half and len(blocks) == 1 and image.flags.c_contiguous and stack.dtype.kind != "c"
    if not plain or image.nbytes > MOST_BYTES or not np.may_share_memory(part, data):
        return
    target, frames = blocks[0]
    job = Job(plan, [(frames, numbers)], target, finish, 1)
    copier = make_copier(plan, job.parts, numbers, image.dtype, finish.fill)
    if not isinstance(copier, TileCopier) or not copier.compiled:
        return
    whole, cuts = job.plain_work(copier, (0, len(target)))
    in_bands = whole.func == copier.copy_in_bands
    away = [-array.__array_interface__["data"][0] for array in (data, image)]
    work = [copier.work(target, *cut, in_bands).moved(*away) for cut in cuts]
    _known[kind] = Prepared(geometry, plan, image.shape, image.dtype, work, run)
    while len(_known) > MOST:
        with suppress(KeyError):
            _known.popitem(last=False)
