"""`Pattern`: what azimuthal integration gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """Curves or cakes of one or more frames.

    Attributes
    ----------
    radial : ndarray, shape (npt,)
        Centres of the bins, in `unit`; angles around the beam for a ``chi`` unit.
    intensity : ndarray or dask array, shape (…, npt) or (…, npt_azim, npt)
        NaN where no pixel counts.
    sigma : ndarray or dask array of the same shape, optional
        Standard error of the intensity, where an error model was asked for.
    count : ndarray or dask array of the same shape
        How many pixels count in a bin, parts of pixels as parts.
    unit : str
        Of `radial`.
    azimuth : ndarray, shape (npt_azim,), optional
        Centres of the bins around the beam, in degrees; of a cake.
    """

    radial: FloatArray
    intensity: Any
    sigma: Any
    count: Any
    unit: str
    azimuth: FloatArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the intensity."""
        return tuple(self.intensity.shape)

    def __iter__(self) -> Iterator[Any]:
        """Unpack as ``radial, intensity``."""
        return iter((self.radial, self.intensity))

    def __getitem__(self, frames: Any) -> Pattern:
        """Select frames: ``pattern[3]``, ``pattern[::10]``, ``pattern[mask]``.

        Raises
        ------
        IndexError
            If there are no such frames.
        """
        inner = 2 if self.is_cake else 1
        if self.intensity.ndim == inner:
            raise IndexError("this pattern is of one frame: it has no axis of frames")
        index = frames if isinstance(frames, tuple) else (frames,)
        used = sum(i is not None and i is not Ellipsis for i in index)
        if used > self.intensity.ndim - inner:
            raise IndexError(f"{used} indices for {self.intensity.ndim - inner} axes of frames")
        sigma = None if self.sigma is None else self.sigma[index]
        return replace(self, intensity=self.intensity[index], sigma=sigma, count=self.count[index])

    @property
    def is_cake(self) -> bool:
        """Whether it is binned around the beam too."""
        return self.azimuth is not None

    def plot(self, ax: Axes | None = None, *, frame: int | None = None, **options: Any) -> Axes:
        """Draw curves, or a cake.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; default: a new figure.
        frame : int, optional
            Which of several frames; default: of curves all (up to ten, more as an image of frames
            against radius), of cakes the mean.
        **options
            See `geomlib.plotting.patterns.plot_pattern`.

        Returns
        -------
        matplotlib axes
        """
        from geomlib.plotting.patterns import plot_pattern

        return plot_pattern(self, ax, frame=frame, **options)

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write ``.csv`` (one frame, or a column for each), ``.h5`` (NeXus) or ``.png``.

        Parameters
        ----------
        path : str or path-like
            The file; an older one is replaced.
        **options
            See `geomlib.integration.files.save_pattern`.
        """
        from geomlib.integration.files import save_pattern

        save_pattern(self, path, **options)

    def __repr__(self) -> str:
        kind = "cake" if self.is_cake else "curve"
        inner = 2 if self.is_cake else 1
        frames = self.shape[: len(self.shape) - inner]
        low, high = float(self.radial[0]), float(self.radial[-1])
        of = f" of {' × '.join(map(str, frames))} frames" if frames else ""
        size = " × ".join(map(str, self.shape[-inner:]))
        return f"<Pattern: {kind}{of}, {size} bins, {low:.4g} to {high:.4g} {self.unit}>"
