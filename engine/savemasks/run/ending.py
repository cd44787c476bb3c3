"""What is said at the end of every run."""

from ..projects.ignored import Ignored
from ..results.notes import missing_edges_notes, unknown_classes_note, unread_notes
from ..results.report import Summary
from .log import LOGGER
from .routes import Routing


def add_notes(summary: Summary, ignored: Ignored, routing: Routing) -> None:
    """Add to the summary what is known of objects, pictures and other files at the end."""
    known = frozenset[str]().union(*(result.known_classes for result in routing.results))
    if summary.unknown_classes:
        note = unknown_classes_note(summary.unknown_classes, known, summary.blank_images)
        summary.warnings.append(note)
    summary.warnings += missing_edges_notes(summary.missing_edges)
    summary.warnings += unread_notes(summary.unread_formats)
    summary.warnings += ignored.notes()


def log_end(summary: Summary) -> None:
    """Log what a run came to."""
    for warning in summary.warnings:
        LOGGER.warning("%s", warning)
    for problem in summary.problems:
        LOGGER.error("%s", problem)
    LOGGER.info(
        "export to %s %s: %d exported, %d failed, %d finished before, in %.2f s",
        summary.out,
        "was ended early" if summary.interrupted or summary.stopped else "ends",
        summary.images,
        summary.failed,
        summary.skipped,
        summary.seconds,
    )
