"""Legends at the end of a run: what the values of masks mean, and how much there is of each class.

A worker makes them, because it has loaded all stations: the leading process would need half a
second for that. So this module loads nothing heavy.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from ..errors import CrashError, OutputError
from ..layers.save_masks import SaveMasks
from ..line.class_totals import total_counts

if TYPE_CHECKING:
    from ..results.journal import Journal
    from ..results.output import Output
    from ..results.report import Summary
    from ..results.root_files import RootFiles
    from ..store.files import Store
    from .pool import Pool
    from .routes import Result, Routing


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
        files = output.files
        if isinstance(result.layer, SaveMasks) and (has_changed or not files.keep_legend()):
            try:
                put_legend(result, files, [output.journal], store, pool)
            except OutputError as error:
                summary.legend_problem = str(error)


def put_legend(
    result: "Result",
    files: "RootFiles",
    journals: "Sequence[Journal]",
    store: "Store",
    pool: "Pool | None" = None,
) -> None:
    """Write the legend of what some journals have counted together; raises `OutputError`."""
    has_all = all(journal.has_all_counts() for journal in journals)
    counts = chain.from_iterable(journal.counts() for journal in journals)
    totals = total_counts(counts) if has_all else None
    contents = result.layer, result.classes, result.shapes, totals
    files.put_legend(_made(contents, pool), store)


def _made(contents: tuple[object, ...], pool: "Pool | None") -> list[tuple[str, bytes]]:
    if pool:
        with suppress(CrashError):
            return pool.call(_make, contents)
    return _make(contents)


def _make(contents: tuple[object, ...]) -> list[tuple[str, bytes]]:
    from ..results.legends import legend_files  # loads NumPy, Numba and libvips

    return legend_files(*contents)  # type: ignore[arg-type]
