"""How often processes of our own look for garbage."""

import gc
from contextlib import suppress

from savemasks.run.collecting import collect_rarely, uncollected, usual_collection_after


def test_collection_is_rare_until_the_end() -> None:
    before = gc.get_threshold()
    with usual_collection_after():
        collect_rarely()
        assert gc.get_threshold()[0] > 50 * before[0]
        assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_a_command_leaves_the_collector_as_it_was() -> None:
    """Also when it fails: tests and other programs call commands in their own process."""
    before = gc.get_threshold()
    with suppress(KeyError), usual_collection_after():
        collect_rarely()
        dict[str, int]()["missing"]
    assert gc.get_threshold() == before


def test_nothing_is_collected_while_modules_are_loaded() -> None:
    with usual_collection_after():
        with suppress(ImportError), uncollected():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000
