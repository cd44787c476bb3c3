"""The end of a divided result: what says something of all parts is written when all are finished.

That is the legend, with what there is of each class, and the index of shards. Whoever finds all
parts finished writes them, mostly the part that ends last.
"""

from typing import TYPE_CHECKING

from ..errors import OutputError
from ..layers.save_masks import SaveMasks
from ..projects.parts import unfinished_mark
from ..results.division import is_outdated, locked_journals, missing_parts
from ..results.notes import unfinished_note
from ..results.root_files import RootFiles
from ..results.shards import whole_shards
from ..store.files import Store
from .legend_making import put_legend
from .options import RunOptions
from .packing import INDEX, index_json

if TYPE_CHECKING:
    from ..results.report import Summary
    from .routes import Result, Routing

_PATIENCE = 10.0  # seconds in which another part that ends now should be done with this


def finish_parts(summary: "Summary", routing: "Routing", options: RunOptions) -> None:
    """Complete every result of which all parts are finished.

    What is missing goes into the summary. If a file cannot be written, so does that: what was
    exported is whole.
    """
    for result in routing.results:
        missing = missing_parts(result.root)
        if not missing:
            try:
                missing = _finish(result, options)
            except OutputError as error:
                missing = missing_parts(result.root)
                if not missing:
                    summary.legend_problem = str(error)
        if missing:
            summary.warnings.append(unfinished_note(missing, has_index=bool(options.pack)))


def _finish(result: "Result", options: RunOptions) -> list[str]:
    """Write what is due of a result; return what is missing, one line each.

    Raises `OutputError`, also if somebody else is at work.
    """
    root = result.root
    with locked_journals(root, _PATIENCE) as journals:
        if missing := missing_parts(root):
            return missing
        for journal in journals:
            journal.generation = int(journal.get("generation") or 0)
        # Should this be killed, the first part removes what is unfinished when it begins.
        journals[0].put(open=b"1")
        files = RootFiles(journals[0], durable=options.durable)
        store = Store(root, durable=options.durable, mark=unfinished_mark(journals[0].part))
        if options.pack:
            shards = [s for journal in journals for s in whole_shards(journal.places)]
            files.put_index(INDEX, index_json(options.pack, shards), store)
        has_legend = isinstance(result.layer, SaveMasks)
        if has_legend and (is_outdated(journals) or not files.has_legend()):
            put_legend(result, files, journals, store)
        for journal in journals:
            journal.put(legend_due=b"0", open=b"0")
    return []
