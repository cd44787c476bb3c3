"""The public functions beside `Painter`; `savemasks/__init__.py` has the list of all names."""

import os
from collections.abc import Sequence
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..encode.general import encode_png as encode_pixels
from ..encode.machine import encode_runs
from ..scratch import own_scratch
from .arguments import check_layer

if TYPE_CHECKING:
    from ..layers.save_masks import SaveMasks
    from ..results.report import Summary
    from ..run.options import OnProgress

Folder = str | os.PathLike[str]

_GRAYS = np.arange(256, dtype=np.uint8)
_BYTES = np.dtype(np.uint8)
_DTYPES = (_BYTES, np.dtype(np.uint16))


def encode_png(pixels: NDArray[Any]) -> bytes:
    r"""Encode pixels as PNG.

    Parameters
    ----------
    pixels
        (height, width) gray or (height, width, 3) RGB, uint8 or uint16. What is not C-contiguous
        is copied.

    Returns
    -------
    bytes
        The file; the same pixels always give the same bytes.

    Raises
    ------
    TypeError
        If `pixels` is no array of one of these dtypes.
    ValueError
        If its shape is another one, or it is empty.

    Examples
    --------
    >>> import numpy as np, savemasks
    >>> savemasks.encode_png(np.zeros((2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pixels must be a NumPy array, not {type(pixels).__name__}")
    if pixels.dtype not in _DTYPES:
        raise TypeError(f"pixels must be of uint8 or uint16, not of {pixels.dtype}")
    if pixels.ndim not in {2, 3} or pixels.shape[2:] not in {(), (3,)}:
        raise ValueError(
            f"pixels must have the shape (height, width) or (height, width, 3), not {pixels.shape}"
        )
    if pixels.size == 0:
        raise ValueError(f"pixels of the shape {pixels.shape} are no picture: it is empty")
    pixels = np.ascontiguousarray(pixels).view(np.ndarray)
    pixels.setflags(write=False)  # a view of ours: one compiled kernel serves all callers
    scratch = own_scratch()
    parts = None
    if pixels.ndim == 2 and pixels.dtype == _BYTES:
        # The pixels of a mask are as good as its labels.
        parts = encode_runs(pixels, _GRAYS, scratch)
    png = b"".join(parts or encode_pixels(pixels, scratch))
    scratch.forget_large()
    return png


def export(
    projects: Folder | Sequence[Folder],
    out: Folder,
    layer: "SaveMasks",
    *,
    workers: int | None = None,
    on_error: Literal["skip", "stop"] = "skip",
    link: bool = False,
    restart: bool = False,
    report: Folder | None = None,
    on_progress: "OnProgress | None" = None,
) -> "Summary":
    """Export whole projects, as `savemasks run` does, by threads of this process.

    The same call again goes on where an earlier one ended: items that are finished are left as they
    are, unless their image or annotation has changed.

    Parameters
    ----------
    projects
        One folder of a Supervisely project, or several.
    out
        Output folder; `out / layer.dst` must not exist, be empty, or be of an earlier export of
        these projects with the same settings.
    layer
        What to make.
    workers
        How many items to work on at once; by default one per available core.
    on_error
        "skip" goes on after an item that fails, "stop" ends the run; what is done stays.
    link
        Put hard links to images and annotations instead of copies, where the file system can.
    restart
        Make everything anew, also with other settings; what is there is replaced.
    report
        Where to write a JSON report, or None.
    on_progress
        Called in this thread after every item with how many are done, how many of these failed,
        and of how many. What it raises ends the export.

    Returns
    -------
    Summary
        Totals, failures and warnings.

    Raises
    ------
    ProjectError, OutputError
        Before anything is written.
    TypeError, ValueError
        If an argument is of the wrong kind, there is no project, or `workers` is less than 1.
    KeyboardInterrupt
        On Ctrl-C, after what was under way; what is finished is whole.

    Examples
    --------
    >>> import savemasks
    >>> summary = savemasks.export(project, out, layer, workers=1)
    >>> summary.images, summary.failed
    (6, 0)
    """
    from ..run.export import run  # loads libvips
    from ..run.options import Hooks, RunOptions

    check_layer(layer)
    folders = [projects] if isinstance(projects, str | os.PathLike) else list(projects)
    if not folders:
        raise ValueError("there must be at least one project to export")
    if workers is not None and index(workers) < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"on_progress must be callable, not {type(on_progress).__name__}")
    if on_error not in {"skip", "stop"}:
        raise ValueError(f'on_error must be "skip" or "stop", not {on_error!r}')
    summary = run(
        layer,
        [Path(folder) for folder in folders],
        Path(out),
        RunOptions(
            workers=workers,
            on_error=on_error,
            link=link,
            restart=restart,
            report=None if report is None else Path(report),
        ),
        Hooks(on_progress=on_progress),
    )
    if summary.interrupted:
        raise KeyboardInterrupt
    return summary


def warmup() -> None:
    """Compile every kernel, or load it from the cache, so that no later call has to.

    The first time on a machine takes a minute or two, after that about a second. To be called
    when a service starts, before it answers.

    Examples
    --------
    >>> import savemasks
    >>> savemasks.warmup()
    """
    from ..line.warmup import warm_up_everything  # needs all stations

    warm_up_everything()
