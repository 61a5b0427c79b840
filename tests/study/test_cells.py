"""Maps: where mixing wins, in sentences, as text and as a figure."""

import io
import re
from dataclasses import replace

import pytest
from analyses import CUTMIX, MIXUP, NONE, analysis, failed

from vicinal.study.analysis import Analysis
from vicinal.study.answer import answer
from vicinal.study.arms import Cell
from vicinal.study.cells import learnt, methods, tables_of
from vicinal.study.figures import learning_curves
from vicinal.study.map_figure import gain_map
from vicinal.study.report import write_report

LOW, HIGH = [0.60, 0.61, 0.60, 0.61, 0.60], [0.80, 0.81, 0.80, 0.81, 0.80]


def at(arm, size, epochs=5):
    return replace(arm, train_size=size, epochs=epochs, is_first_size=size == 500.0)


def by_cell(cells, arms=(NONE, MIXUP)):
    """An analysis of these accuracies, for each (size, epochs) those of each arm."""
    return analysis(
        {
            at(arm, *cell): accuracies
            for cell, each in cells.items()
            for arm, accuracies in zip(arms, each, strict=True)
        }
    )


@pytest.fixture
def found():
    """Mixup wins with few samples and a long training, loses with many and a short one."""
    return by_cell(
        {
            (500.0, 5): (LOW, LOW),
            (500.0, 50): (LOW, HIGH),
            (5000.0, 5): (HIGH, LOW),
            (5000.0, 50): (HIGH, [0.83, 0.78, 0.83, 0.78, 0.83]),
        }
    )


def test_the_headline_says_in_how_many_cells_and_where_most(found):
    first, *more = answer(found)
    assert re.fullmatch(
        r"Mixing beats training without mixing in 1 of 4 cells, by most with 500 training "
        r"samples, 50 epochs: mixup α = 0\.4, \+20\.0 points \(\+1\d\.\d to \+2\d\.\d\)\.",
        first,
    )
    assert re.fullmatch(
        r"mixup α = 0\.4, of 4 cells: better in 1 \(500 training samples, 50 epochs: .*\), worse "
        r"in 1 \(5,000 training samples, 5 epochs: -20\.0 points .*\)( and|,) .*",
        more[0],
    )
    assert "Each cell is a question of its own" in more[-1]
    assert more[-1].endswith("--first-seed 5.")  # which none of these runs had


def test_intervals_hold_within_a_cell(found):
    """As wide as those of the same runs alone, however many cells there are."""
    alone = analysis({NONE: HIGH, MIXUP: LOW}).compare(found.main)[0].interval
    (inside,) = (c.interval for c in found.compare(found.main) if c.arm.cell == Cell(5000.0, 5))
    assert (inside.low, inside.high) == (alone.low, alone.high)


def test_a_map_as_text(found):
    (table,) = tables_of(found)
    assert table.splitlines() == [
        "mixup α = 0.4 against training without mixing, accuracy, points:",
        "                        5 epochs  50 epochs",
        "500 training samples        +0.0    ▲ +20.0",
        "5,000 training samples   ▼ -20.0       +0.6",
    ]


def test_where_nothing_wins_that_is_said():
    found = by_cell({(500.0, 5): (HIGH, HIGH), (5000.0, 5): (HIGH, LOW)})
    assert answer(found)[0] == (
        "Nothing that was tried is shown to beat training without mixing, in any of 2 cells."
    )


def test_cells_that_have_learnt_nothing_are_left_out_and_named():
    made = by_cell({(500.0, 5): (LOW, HIGH), (5000.0, 5): (LOW, HIGH)})
    results = [
        replace(result, chance=0.6) if "of-5000" not in result.arm else result
        for result in made.results
    ]
    found = Analysis(made.arms, results)
    assert "in 1 of 1 cell that could be compared (of 2), by most with 5,000" in answer(found)[0]
    assert answer(found)[1] == (
        "Training without mixing is no better than chance yet, so left out: 500 training samples, "
        "5 epochs."
    )
    assert tables_of(found)[0].splitlines()[2].split()[-1] == "-"


def test_cells_that_are_not_finished_are_not_said_to_be_no_better_than_chance():
    made = by_cell({(500.0, 5): (LOW, HIGH), (5000.0, 5): (LOW, HIGH), (5000.0, 50): (LOW, HIGH)})
    unfinished, diverged = made.arms[3], made.arms[5]
    results = [
        replace(result, failed="the loss became nan") if result.arm == diverged.name else result
        for result in made.results
        if result.arm != unfinished.name
    ]
    found = answer(Analysis(made.arms, results))
    assert "in 1 of 1 cell that could be compared (of 3)" in found[0]
    assert not any("chance yet" in sentence for sentence in found)
    (left,) = [sentence for sentence in found if "left out" in sentence]
    assert left.startswith("No seed has finished both with what was tried and by training without ")
    assert left.endswith("5,000 training samples, 5 epochs and 5,000 training samples, 50 epochs.")


def test_a_map_without_an_arm_that_does_not_mix_names_its_baseline():
    arms = (MIXUP, CUTMIX)
    made = by_cell({(500.0, 5): (LOW, HIGH), (5000.0, 5): (LOW, HIGH)}, arms)
    dull = [replace(result, chance=0.7) for result in made.results]
    (sentence,) = answer(Analysis(made.arms, dull))
    assert sentence.startswith("In no cell is mixup α = 0.4 better than chance yet, so there is")
    part = [dull[i] if r.arm == made.arms[2].name else r for i, r in enumerate(made.results)]
    sentences = answer(Analysis(made.arms, part))
    assert any(s.startswith("mixup α = 0.4 is no better than chance yet") for s in sentences)


@pytest.mark.parametrize(("low", "high", "verb"), [(LOW, HIGH, "better"), (HIGH, LOW, "worse")])
def test_equal_gains_in_several_cells_are_counted(low, high, verb):
    found = by_cell({(500.0, 5): (low, high), (5000.0, 5): (low, high)})
    (sentence,) = [s for s in answer(found) if s.startswith("mixup α = 0.4, of 2 cells")]
    sign = "+" if verb == "better" else "-"
    assert sentence == f"mixup α = 0.4, of 2 cells: {verb} in 2 ({sign}20.0 points each)."


def test_one_seed_shows_nothing():
    found = by_cell({(500.0, 5): (LOW[:1], HIGH[:1]), (5000.0, 5): (LOW[:1], HIGH[:1])})
    assert answer(found)[0].startswith("Nothing that was tried is shown to beat")
    assert answer(found)[1] == "One seed gives no interval, so it shows nothing: take five or more."


def test_a_map_that_is_not_done(found, tmp_path):
    """Cells without results, and one that diverged."""
    results = [r for r in found.results if "of-5000" not in r.arm and r.arm != "mixup-0.4-50"]
    arm = at(MIXUP, 500.0, 50)
    part = Analysis(found.arms, [*results, failed(arm, 0)])
    sentences = answer(part)
    assert sentences[1].startswith("mixup α = 0.4, 500 training samples, 50 epochs: its run")
    assert [line.split()[-2:] for line in tables_of(part)[0].splitlines()[2:]] == [
        ["+0.0", "-"],
        ["-", "-"],
    ]
    write_report(tmp_path / "report.html", part, sentences)
    nothing = Analysis(found.arms, [failed(arm, 0)])
    assert "There is nothing to compare" in answer(nothing)[0]
    write_report(tmp_path / "report.html", nothing, answer(nothing))


def test_the_figure_has_a_panel_for_each_method_and_a_sign_where_it_is_shown():
    found = by_cell(
        {(500.0, 5): (LOW, HIGH, LOW), (5000.0, 5): (HIGH, HIGH, LOW)}, (NONE, MIXUP, CUTMIX)
    )
    figure = gain_map(learnt(found), found.arms, methods(found.arms))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mixup α = 0.4", "cutmix α = 1"]
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts == [["▲ +20.0", "+0.0"], ["+0.0", "▼ -20.0"]]
    figure.savefig(io.BytesIO(), format="svg")
    titles = [axes.get_title(loc="left") for axes in learning_curves(found).axes]
    assert titles[0].split() == ["accuracy,", "500", "training", "samples,", "5", "epochs"]


def test_the_report_and_the_tables_name_the_cells(found, tmp_path):
    write_report(tmp_path / "report.html", found, answer(found))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Where it helps" in page
    assert "5,000 training samples" in page
    assert page.count('id="map"') == 1
    assert 'aria-label="mixup α = 0.4 against training without mixing, accuracy, points:' in page
    assert found.frame()["train_size"].tolist()[::10] == [500.0, 500.0, 5000.0, 5000.0]
    assert {row["train_size"] for row in found.differences()} == {500.0, 5000.0}
    assert "train_size" not in analysis({NONE: LOW, MIXUP: LOW}).frame()
