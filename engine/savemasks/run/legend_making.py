"""Legends at the end of a run: what the values of masks mean, and how much there is of each class.

A worker makes them, because it has loaded all stations: the leading process would need half a
second for that. So this module loads nothing heavy.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import CrashError, OutputError
from ..layers.save_masks import SaveMasks
from ..line.class_totals import total_counts

if TYPE_CHECKING:
    from ..results.output import Output
    from ..results.report import Summary
    from ..store.files import Store
    from .pool import Pool
    from .routes import Routing


def put_legends(
    summary: "Summary",
    routing: "Routing",
    outputs: "Sequence[Output]",
    stores: "Sequence[Store]",
    pool: "Pool | None",
) -> None:
    """Write the legend of every result of `save_masks`.

    If that fails, it goes into the summary: what was exported is whole. Where nothing has changed,
    what is there stays. `pool` has workers without work, or is None.
    """
    has_changed = bool(summary.images or summary.failed or summary.vanished)
    for result, output, store in zip(routing.results, outputs, stores, strict=True):
        if isinstance(result.layer, SaveMasks) and (has_changed or not output.keep_legend()):
            journal = output.journal
            try:
                totals = total_counts(journal.counts()) if journal.has_all_counts() else None
                contents = result.layer, result.classes, result.shapes, totals
                output.put_legend(_made(contents, pool), store)
            except OutputError as error:
                summary.legend_problem = str(error)


def _made(contents: tuple[object, ...], pool: "Pool | None") -> list[tuple[str, bytes]]:
    if pool:
        with suppress(CrashError):
            return pool.call(_make, contents)
    return _make(contents)


def _make(contents: tuple[object, ...]) -> list[tuple[str, bytes]]:
    from ..results.legends import legend_files  # loads NumPy, Numba and libvips

    return legend_files(*contents)  # type: ignore[arg-type]
