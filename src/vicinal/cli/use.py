"""The commands that use a trained network, or show what mixing does."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal import kinds
from vicinal.cli.arguments import FOLDER, Alpha, Data, Seed, Size, SkipBad, Stream
from vicinal.cli.common import starting
from vicinal.cli.data_options import data_options
from vicinal.errors import VicinalError
from vicinal.formatting import format_value
from vicinal.methods import help_line

if TYPE_CHECKING:
    from torch import Tensor

    from vicinal.tasks.predictor import Predictor

# The options of a picture, which a look at the data alone has no use for.
OF_PICTURES = ("mix", "alpha", "size", "resize", "augment", "flip")


def predict(
    run: Annotated[Path, typer.Argument(help="The run folder of vicinal train.")],
    samples: Annotated[
        list[str],
        typer.Argument(help=kinds.samples_help()),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all classes.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with all classes.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Of several labels: predict those whose probability is above this. If not given, "
            "what was best in validation."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Of masks: the folder for them. If not given, predicted."),
    ] = None,
) -> None:
    """Predict with a trained network.

    What cannot be predicted is named, and the rest predicted; the exit status is then 1.
    """
    from vicinal.progress import progress_bar, status

    if as_json and as_csv:
        raise VicinalError("--json and --csv exclude each other: leave out one of them")
    with starting():
        from vicinal.cli.predicted_table import as_table
        from vicinal.cli.written_masks import writer_for
        from vicinal.tasks.predictor import Predictor

        predictor = Predictor.load(run, threshold)
        column = predictor.preprocessing.sample_name
    with status("finding the samples"):
        named = list(predictor.preprocessing.found(samples))
        writer = writer_for(predictor.preprocessing, out, [name for name, _ in named])
    with progress_bar() as bar:
        found_items = predictor.outcomes(item for _, item in named)
        if writer is not None:
            found_items = writer.shares(found_items)
        outcomes = list(bar.track(found_items, total=len(named), description="predicting"))
    errors = [each for each in outcomes if isinstance(each, VicinalError)]
    if errors and len(errors) == len(named) and not (as_json or as_csv):
        others = f"; the other {len(errors) - 1:,} failed as well" if len(errors) > 1 else ""
        raise VicinalError(f"{errors[0]}{others}")
    files = [] if writer is None else writer.files
    found = [(name, outcome) for (name, _), outcome in zip(named, outcomes, strict=True)]
    if as_json or as_csv:
        rows = [
            {column: name, "error": str(outcome)}
            if isinstance(outcome, VicinalError)
            else {column: name, **_answered(predictor, outcome, files[place : place + 1])}
            for place, (name, outcome) in enumerate(found)
        ]
        print(as_table(rows) if as_csv else json.dumps(rows, indent=2, allow_nan=False))
    else:
        _print_table(
            predictor, [(name, each) for name, each in found if not isinstance(each, VicinalError)]
        )
        if writer is not None:
            print(f"\nmasks: in {writer.folder}")
    for error in errors:
        print(f"vicinal: {error}", file=sys.stderr)
    if errors:
        raise typer.Exit(1)


def _answered(predictor: "Predictor", outcome: "Tensor", files: list[Path]) -> dict[str, Any]:
    """What JSON has of a sample; of a mask its file and the shares of its classes."""
    if files:
        return {"mask": str(files[0]), "shares": predictor.named_shares(outcome)}
    return predictor.answer(outcome)


def _print_table(predictor: "Predictor", found: "list[tuple[str, Tensor]]") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    # What is no terminal gets each line whole; a letter takes 2 columns at most.
    vocab = predictor.preprocessing.vocab or []
    longest = max(len(name) for name, _ in found) + max(map(len, vocab), default=0)
    width = None if sys.stdout.isatty() else 2 * longest + 80
    # Names of files and classes may hold brackets and colons, which rich would interpret.
    console = Console(markup=False, emoji=False, highlight=False, width=width)
    name_of = Column(predictor.preprocessing.sample_name, overflow="fold")
    if predictor.preprocessing.vocab is None:
        table = Table(name_of, "value", box=None)
        for name, output in found:
            table.add_row(_one_line(name), format_value(output.item()))
    else:
        several = predictor.preprocessing.threshold is not None
        are_masks = predictor.preprocessing.writes
        of = Column("labels" if several else "class", overflow="fold")
        table = Table(name_of, of, "share" if are_masks else "probability", box=None)
        for name, output in found:
            if are_masks:
                shares = predictor.named_shares(output).items()
                likely_first = tuple(pair for pair in shares if pair[1] > 0)
            else:
                found_ones = predictor.above(output) if several else predictor.best(output, 3)
                likely_first = tuple(found_ones)
            if not likely_first:
                table.add_row(_one_line(name), "(no label)", "")
            for rank, (likely, probability) in enumerate(likely_first):
                shown = "" if rank else _one_line(name)
                table.add_row(shown, _one_line(likely), f"{probability:.1%}")
    console.print(table)


def _one_line(name: str) -> str:
    """A name without tabs and ends of lines, which would break the columns."""
    return "".join(" " if letter in "\t\r\n" else letter for letter in name)


@data_options
def show(
    data: Data,
    mix: Annotated[str | None, typer.Option(help=help_line("mixup"))] = None,
    alpha: Alpha = None,
    size: Size = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The picture: PNG, PDF or SVG, or HTML for an interactive board. If not given, "
            "mixed.png.",
            rich_help_panel=FOLDER,
        ),
    ] = None,
    open: Annotated[
        bool,
        typer.Option(
            help="Show the interactive board in the browser.",
            rich_help_panel=FOLDER,
            show_default=False,
        ),
    ] = False,
    found: Annotated[
        bool,
        typer.Option(
            "--data", help="Draw nothing: print what was found in DATA, and how it is read."
        ),
    ] = False,
    skip_bad: SkipBad = False,
    stream: Stream = False,
    **how: Any,
) -> None:
    """Draw how training samples are mixed, or print what was found in DATA."""
    from vicinal.progress import status

    with starting():
        from vicinal.tasks import TrainOptions, find_split

    options = TrainOptions(
        data=data,
        mix=mix,
        alpha=alpha,
        size=size,
        seed=seed,
        skip_bad=skip_bad,
        stream=stream,
        **how,
    )
    if found:
        options.refuse(OF_PICTURES, "--data")
        for name, given in (("--out", out), ("--open", open)):
            if given:
                raise VicinalError(f"--data draws nothing, so {name} does not apply: leave it out")
        split = find_split(options)
        with status(f"looking through {data}"):
            summary = split.summary()
        print(f"{'data:':15} {data}\n{summary}")
        return
    file = out or Path("mixed.html" if open else "mixed.png")
    if open and file.suffix.lower() != ".html":
        raise VicinalError(f"--open shows a page: give --out a name that ends in .html, not {file}")
    with starting():
        from vicinal import runs
        from vicinal.plots.saving import check_picture

    check_picture(file)
    if file.suffix.lower() == ".html":
        with starting():
            from vicinal.study.board import show_board

        show_board(options, file, open=open)
    else:
        runs.show(options, file)
    print(f"drawn: {file}")
