"""Whole exports against pictures that the reference SDK made; see golden/make.py."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from savemasks.layers.save_masks import SaveMasks
from savemasks.run.export import run
from support import TESTS

GOLDEN = TESTS / "golden"


def pictures(root: Path) -> list[Path]:
    return sorted(p.relative_to(root) for p in root.rglob("masks_*/*.png"))


@pytest.mark.parametrize(
    ("project", "variant"),
    [
        ("project", ""),
        ("project", "_differ"),
        ("project", "_area"),
        ("project_more", "_more"),
        ("project_more", "_more_area"),
    ],
)
def test_every_mask_equals_the_references(project: str, variant: str, tmp_path: Path) -> None:
    layer = SaveMasks.from_json(GOLDEN / f"save_masks{variant}.json")
    summary = run(layer, [GOLDEN / project], tmp_path)
    assert summary.failures == []
    assert not summary.unsupported
    made, expected = summary.out, GOLDEN / f"expected{variant}"
    assert pictures(made) == pictures(expected)
    assert len(pictures(made)) >= 9
    for path in pictures(made):
        ours, theirs = cv2.imread(str(made / path)), cv2.imread(str(expected / path))
        assert ours is not None
        assert theirs is not None
        assert np.array_equal(ours, theirs), path
