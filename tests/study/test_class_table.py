"""The table of each class of masks in the report."""

import math
from dataclasses import replace

import pytest
import torch
from analyses import CUTMIX, NONE, analysis

from vicinal.study.answer import answer
from vicinal.study.class_table import class_table
from vicinal.study.mask_scores import class_ious, with_classes
from vicinal.study.report import write_report

COUNTS = torch.tensor([[[6, 1, 0], [6, 2, 0], [7, 1, 1]], [[2, 4, 0], [4, 4, 0], [2, 6, 0]]])


def of_masks(values):
    """An analysis whose last rows have the IoU of classes, for each arm and seed."""
    made = analysis({NONE: [0.9, 0.8], CUTMIX: [0.9, 0.8]})
    results = [
        replace(
            each,
            history=[
                {"valid_iou_sky": 0.0},
                {"valid_mean_iou": 0.5, **{f"valid_iou_{n}": v for n, v in row.items()}},
            ],
        )
        for each, row in zip(made.results, values, strict=True)
    ]
    return replace(made, results=results)


ROWS = [{"sky": 0.5, "<b>": 0.25}, {"sky": 0.7}, {"sky": 0.8, "<b>": math.nan}, {"sky": 0.9}]


def test_ious_are_of_all_pixels():
    found = class_ious(COUNTS)
    assert found[:2].tolist() == pytest.approx([8 / 11, 5 / 8])
    assert math.isnan(found[2])


def test_the_last_row_gets_every_class_that_has_a_pixel():
    history = [{"epoch": 1}, {"epoch": 2, "valid_iou_a": 0.0}]
    first, last = with_classes(history, COUNTS, ["a", "b", "c"])
    assert first == {"epoch": 1}
    assert last == {"epoch": 2, "valid_iou_a": pytest.approx(8 / 11), "valid_iou_b": 5 / 8}
    assert history[1]["valid_iou_a"] == 0.0
    assert with_classes([], COUNTS, ["a", "b", "c"]) == []


def test_a_row_for_each_class_and_a_column_for_each_arm():
    table = class_table(of_masks(ROWS))
    assert [len(cells) for _, cells in table["rows"]] == [2, 2]
    assert table["rows"] == [("sky", ["60.0 %", "85.0 %"]), ("<b>", ["25.0 %", ""])]
    assert table["arms"][0] == "none"


def test_other_data_have_none():
    assert class_table(analysis({NONE: [0.9, 0.8], CUTMIX: [0.9, 0.8]})) is None


def test_the_report_shows_it(tmp_path):
    for rows, is_there in ((ROWS, True), ([{}] * 4, False)):
        made = of_masks(rows)
        made = made if is_there else analysis({NONE: [0.9, 0.8], CUTMIX: [0.9, 0.8]})
        write_report(tmp_path / "report.html", made, answer(made))
        page = (tmp_path / "report.html").read_text()
        assert ("IoU of each class" in page) == is_there
        assert ("<td>60.0 %</td><td>85.0 %</td>" in page) == is_there
        assert "<b>" not in page
