"""A map: what each method gains over training without mixing, for training sizes and lengths."""

from collections.abc import Sequence

from vicinal.formatting import join_and, pluralize
from vicinal.study.analysis import Analysis, Comparison
from vicinal.study.arms import Arm, Cell, baseline_name, comparisons, size_text
from vicinal.study.formatting import capitalized

BETTER, WORSE, OPEN = "▲", "▼", ""


def map_answer(analysis: Analysis) -> list[str]:
    """The answer of a map in sentences: the headline, and the details."""
    made = learnt(analysis)
    if not made:
        base = baseline_name(comparisons(analysis.arms)[0][1])
        return [
            f"In no cell is {base} better than chance yet, so there is nothing to compare: train "
            "longer, or with more samples."
            if analysis.measures and analysis.compare(analysis.main)
            else "There is nothing to compare: no arm has finished a seed that its baseline has, "
            "too."
        ]
    cells = list(dict.fromkeys(comparison.arm.cell for comparison in made))
    sentences = [_headline(made, cells, len(analysis.cells)), *_left_out(analysis, cells)]
    if any(comparison.interval.low is None for comparison in made):
        sentences.append("One seed gives no interval, so it shows nothing: take five or more.")
    methods = dict.fromkeys(comparison.arm.method for comparison in made)
    sentences += [_of_method([c for c in made if c.arm.method == method]) for method in methods]
    return [*sentences, _by_chance(analysis)]


def learnt(analysis: Analysis) -> list[Comparison]:
    """The comparisons with a baseline that has learnt something."""
    return analysis.learnt(analysis.main) if analysis.measures else []


def _headline(made: Sequence[Comparison], cells: Sequence[Cell], planned: int) -> str:
    """In how many cells something wins, and where most; of those that could be compared."""
    subject = "Something that was tried" if made[0].baseline.mixes else "Mixing"
    base = baseline_name(made[0].baseline)
    winners = [c for c in made if c.interval.significant and c.gain > 0]
    won = {c.arm.cell for c in winners}
    if winners:
        best = max(winners, key=lambda comparison: comparison.gain)
        return (
            f"{subject} beats {base} in {len(won)} of {_counted(len(cells), planned)}, by most "
            f"with {best.arm.cell.text}: {best.arm.method}, {gain_text(best)}."
        )
    where = "the" if len(cells) == 1 else "any of"
    return (
        f"Nothing that was tried is shown to beat {base}, in {where} "
        f"{_counted(len(cells), planned)}."
    )


def _counted(compared: int, planned: int) -> str:
    """How many cells could be compared, of those that were planned."""
    cells = pluralize(compared, "cell")
    return cells if compared == planned else f"{cells} that could be compared (of {planned})"


def _left_out(analysis: Analysis, cells: Sequence[Cell]) -> list[str]:
    """The cells that tell nothing, as their baseline has learnt nothing, or is not there yet."""
    baselines = {base.cell: base for _, base in comparisons(analysis.arms)}
    left = [cell for cell in analysis.cells if cell not in cells]
    dull = [
        c for c in left if analysis.of(baselines[c]) and not analysis.beats_chance(baselines[c])
    ]
    unfinished = [cell for cell in left if cell not in dull]
    base = baseline_name(next(iter(baselines.values())))
    sentences = []
    if dull:
        where = join_and([cell.text for cell in dull])
        sentences.append(capitalized(f"{base} is no better than chance yet, so left out: {where}."))
    if unfinished:
        where = join_and([cell.text for cell in unfinished])
        sentences.append(
            f"No seed has finished both with what was tried and by {base}, so left out: {where}."
        )
    return sentences


def _of_method(made: Sequence[Comparison]) -> str:
    """Where one method is better, where it is worse, and where neither is shown."""
    known = [c for c in made if c.interval.significant]
    better = [c for c in known if c.gain > 0]
    worse = [c for c in known if c.gain < 0]
    neither = [c for c in made if c not in known]
    same = [c for c in neither if c.is_negligible]
    parts = [
        f"better in {_cells(better)}" if better else "",
        f"worse in {_cells(worse)}" if worse else "",
        f"without a practical difference in {len(same)}" if same else "",
        f"not shown to be either in {len(neither) - len(same)}" if len(neither) > len(same) else "",
    ]
    cells = pluralize(len(made), "cell")
    return f"{made[0].arm.method}, of {cells}: {join_and([*filter(None, parts)])}."


def _cells(made: Sequence[Comparison]) -> str:
    """How many cells, and from where to where the gain goes."""
    least, most = (f(made, key=lambda c: abs(c.gain)) for f in (min, max))
    if len(made) == 1:
        return f"1 ({most.arm.cell.text}: {gain_text(most)})"
    low, high = (c.measure.signed(c.interval.mean) for c in (least, most))
    points = " points" if most.measure.percent else ""
    span = f"{low}{points} each" if low == high else f"from {low} to {high}{points}"
    return f"{len(made)} ({span})"


def gain_text(comparison: Comparison) -> str:
    """A difference with its interval.

    Of an error, what is below 0 is better.
    """
    measure, found = comparison.measure, comparison.interval
    unit = " points" if measure.percent else f" {measure.title}"
    if found.low is None or found.high is None:
        return f"{measure.signed(found.mean)}{unit}"
    low, high = measure.signed(found.low), measure.signed(found.high)
    return f"{measure.signed(found.mean)}{unit} ({low} to {high})"


def _by_chance(analysis: Analysis) -> str:
    """What the number of cells means for the signs, and how to be sure of one."""
    unseen = 1 + max(result.seed for result in analysis.results)
    return (
        "Each cell is a question of its own: its intervals hold with 95 %, so of twenty cells in "
        "which mixing makes no difference at all, about one shows some by chance. Confirm a cell "
        f"that matters on other seeds: by its --train-size and --epochs, and --first-seed {unseen}."
    )


def sign(comparison: Comparison) -> str:
    """Whether an arm is better or worse, where that is shown."""
    if not comparison.interval.significant:
        return OPEN
    return BETTER if comparison.gain > 0 else WORSE


def cell_text(comparison: Comparison) -> str:
    """The mean difference, with its sign where that is shown."""
    return f"{sign(comparison)} {comparison.measure.signed(comparison.interval.mean)}".strip()


def _cell(comparison: Comparison | None) -> str:
    return "-" if comparison is None else cell_text(comparison)


def grid(made: Sequence[Comparison], method: str) -> dict[Cell, Comparison]:
    """The comparisons of one method, by their cells."""
    return {c.arm.cell: c for c in made if c.arm.method == method}


def methods(arms: Sequence[Arm]) -> list[str]:
    """The methods of a map that are compared with a baseline."""
    return list(dict.fromkeys(arm.method for arm, _ in comparisons(arms)))


def axes(arms: Sequence[Arm]) -> tuple[list[float], list[int]]:
    """The training sizes and the lengths of a map, the smallest first."""
    cells = {arm.cell for arm in arms}
    return sorted({cell.train_size for cell in cells}), sorted({cell.epochs for cell in cells})


def tables_of(analysis: Analysis) -> list[str]:
    """A map of each method as text, for a terminal.

    The cells have the difference of the main measure, ▲ where it is shown to be better, ▼ where
    worse; those that have not been compared are empty.
    """
    sizes, lengths = axes(analysis.arms)
    heads = [pluralize(length, "epoch") for length in lengths]
    names = [size_text(size) for size in sizes]
    measure = analysis.main
    unit = "points" if measure.percent else "its own unit"
    base = baseline_name(comparisons(analysis.arms)[0][1])
    made, tables = learnt(analysis), []
    for method in methods(analysis.arms):
        found = grid(made, method)
        rows = [[_cell(found.get(Cell(size, length))) for length in lengths] for size in sizes]
        title = f"{method} against {base}, {measure.title}, {unit}:"
        tables.append("\n".join([title, *_aligned(["", *heads], names, rows)]))
    return tables


def _aligned(heads: list[str], names: list[str], rows: list[list[str]]) -> list[str]:
    lines = [heads, *([name, *row] for name, row in zip(names, rows, strict=True))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
