"""The command line. Everything heavy is imported by the command that needs it."""

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from vicinal import kinds, methods
from vicinal.errors import VicinalError

app = typer.Typer(
    help="Train with mixed samples: mixup, from one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str,
    typer.Argument(help=kinds.data_help()),
]
MixName = Annotated[
    str | None,
    typer.Option(help=methods.help_line()),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        help="Strength, by Beta(alpha, alpha); if not given, what suits the method: 0.4 for "
        "mixup, 1 for cutmix."
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(help="A published training: cifar10-fast, cifar10-best or imagenette."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Images: a network of timm's, or resnet9. Texts: text_cnn, text_transformer, "
        "hf:NAME, or the folder of such a one."
    ),
]
Pretrained = Annotated[
    bool | None,
    typer.Option(
        "--pretrained/--no-pretrained", help="Start from published weights; default for photos."
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Rounds through the data.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples a batch.")]
Rate = Annotated[float | None, typer.Option(help="Highest learning rate.")]
SkipBad = Annotated[bool, typer.Option(help="Leave out images that cannot be read.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")]
Size = Annotated[int | None, typer.Option(help="Pixels a side; chosen by the data if not given.")]
Valid = Annotated[float, typer.Option(help="Share held out, where there is no validation part.")]
Label = Annotated[str | None, typer.Option(help="The label column of a table.")]
LabelPattern = Annotated[
    str | None,
    typer.Option(help="Regular expression for file names; its first group is the class."),
]
Seed = Annotated[int, typer.Option(help="Of everything random.")]


@app.command()
def train(
    context: typer.Context,
    data: Data,
    recipe: Recipe = None,
    mix: MixName = None,
    alpha: Alpha = None,
    model: Model = None,
    pretrained: Pretrained = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    size: Size = None,
    valid: Valid = 0.2,
    label: Label = None,
    label_pattern: LabelPattern = None,
    precision: Precision = "auto",
    compile: Annotated[
        bool, typer.Option(help="Use torch.compile: a minute to begin with, and not always faster.")
    ] = False,
    track: Annotated[
        str | None, typer.Option(help="Log to tensorboard, wandb, mlflow, or another tracker.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Run folder; default below runs/.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the run that --out holds.")] = False,
    resume: Annotated[
        bool, typer.Option(help="Go on with a run that was stopped or killed.")
    ] = False,
    skip_bad: SkipBad = False,
    stream: Annotated[
        bool, typer.Option(help="Read Parquet shards one after the other, and keep nothing.")
    ] = False,
) -> None:
    """Train a network on DATA, and leave it with its metrics and pictures in a run folder."""
    from vicinal import runs
    from vicinal.memory import keep_freed_memory
    from vicinal.processes import this_process
    from vicinal.tasks import TrainOptions
    from vicinal.tasks.predictor import preprocessing_of, read_config

    keep_freed_memory()  # this process is ours
    state = this_process()  # of several processes, the main one speaks
    tell = state.on_main_process(_tell)
    options = TrainOptions(
        data=data,
        recipe=recipe,
        mix=mix,
        alpha=alpha,
        model=model,
        pretrained=pretrained,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        size=size,
        valid=valid,
        label=label,
        label_pattern=label_pattern,
        precision=precision,
        compile=compile,
        track=track,
        seed=seed,
        skip_bad=skip_bad,
        stream=stream,
    )
    folder = runs.train(
        options, out, overwrite=overwrite, resume=resume, typed=_typed(context), tell=tell
    )
    state.print(f"\nleft in {folder}: model, settings, metrics and pictures; use it with")
    argument = preprocessing_of(read_config(folder)["predict"]["kind"]).argument
    state.print(f"vicinal predict {folder} {argument}...")


@app.command()
def compare(
    context: typer.Context,
    data: Data,
    mix: Annotated[
        str | None,
        typer.Option(
            help="What is compared, between commas, as for train; if not given, "
            "none,mixup,cutmix for images, none,mixup,cmixup for values, none,mixup for others."
        ),
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(help="Strengths between commas, such as 0.1,0.4,1.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Lengths of training between commas, such as 5,20,80.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Trainings of each; 3 if not given. More can be added later.")
    ] = None,
    train_size: Annotated[
        float | None, typer.Option(help="Use so many training samples, or such a share of them.")
    ] = None,
    label_noise: Annotated[
        float, typer.Option(help="Make such a share of the training labels wrong.")
    ] = 0.0,
    budget: Annotated[
        str | None, typer.Option(help="Take no longer than this: 20m, 1h30m, 90s.")
    ] = None,
    recipe: Recipe = None,
    model: Model = None,
    pretrained: Pretrained = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    size: Size = None,
    valid: Valid = 0.2,
    label: Label = None,
    label_pattern: LabelPattern = None,
    precision: Precision = "auto",
    skip_bad: SkipBad = False,
    out: Annotated[Path | None, typer.Option(help="Folder; default below runs/.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace what --out holds.")] = False,
    resume: Annotated[
        bool, typer.Option(help="Go on with a comparison, or add to it: seeds, methods, epochs.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Processes that train at once; one for each GPU.")
    ] = None,
) -> None:
    """Find out on DATA whether mixing helps, how strong, and for how many epochs."""
    from vicinal.study.words import listed, seconds_of

    mixes = listed("mix", mix, str, "names")
    alphas = listed("alpha", alpha, float, "numbers")
    lengths = listed("epochs", epochs, int, "whole numbers")
    time = None if budget is None else seconds_of(budget)

    from vicinal.memory import keep_freed_memory
    from vicinal.study.command import compare_data
    from vicinal.study.question import Question
    from vicinal.tasks import TrainOptions

    keep_freed_memory()
    options = TrainOptions(
        data=data,
        recipe=recipe,
        model=model,
        pretrained=pretrained,
        batch_size=batch_size,
        lr=lr,
        size=size,
        valid=valid,
        label=label,
        label_pattern=label_pattern,
        precision=precision,
        skip_bad=skip_bad,
    )
    question = Question(
        options,
        mixes=mixes,
        alphas=alphas,
        epochs=lengths,
        train_size=train_size,
        label_noise=label_noise,
    )
    report = compare_data(
        question,
        seeds=seeds,
        budget=time,
        out=out,
        resume=resume,
        overwrite=overwrite,
        jobs=jobs,
        typed=_typed(context),
        tell=_tell,
    )
    print(f"\nthe report: {report}")


@app.command(hidden=True)
def help_compare(path: Path, seconds: float) -> None:
    """What the processes do that vicinal compare starts."""
    from vicinal.memory import keep_freed_memory
    from vicinal.study import command

    keep_freed_memory()
    command.help_compare(path, seconds)


@app.command()
def advise(
    data: Data,
    epochs: Epochs = None,
    model: Model = None,
    pretrained: Pretrained = None,
    label_noise: Annotated[
        float, typer.Option(help="The share of the labels that are wrong, as far as you know.")
    ] = 0.0,
    valid: Valid = 0.2,
    label: Label = None,
    label_pattern: LabelPattern = None,
) -> None:
    """Say what others have found about mixing in such a case; nothing is trained."""
    from vicinal.study.advice import Situation, rules_for, verdict
    from vicinal.study.question import Question
    from vicinal.study.samples import check_label_noise
    from vicinal.tasks import TrainOptions, find_split, make_task

    options = TrainOptions(
        data=data,
        epochs=epochs,
        model=model,
        pretrained=pretrained,
        valid=valid,
        label=label,
        label_pattern=label_pattern,
    )
    check_label_noise(label_noise)
    split = find_split(options)
    task = make_task(options, split)
    situation = Situation(
        kind=task.kind,
        samples=len(split.train),
        classes=None if split.vocab is None else len(split.vocab),
        epochs=task.epochs,
        pretrained=task.pretrained,
        label_noise=label_noise,
    )
    _tell("data", task.describe())
    start = "published" if situation.pretrained else "random"
    weights = task.chosen().get("weights", start)  # with a reason, where there is one
    _tell("training", f"{task.model}, {task.epochs} epochs, weights: {weights}")
    for rule in rules_for(situation):
        _tell(rule.side, rule.text)
        _tell("", f"({rule.source})")
    asked = Question(replace(options, epochs=None), epochs=(epochs,) if epochs else ())
    print(f"\n{verdict(situation)}\n{asked.command()} tells by trying.")


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="The folder that vicinal train left.")],
    samples: Annotated[
        list[str],
        typer.Argument(help=kinds.samples_help()),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, all classes.")] = False,
) -> None:
    """Predict with a trained network."""
    from vicinal.tasks.predictor import Predictor

    predictor = Predictor.load(run)
    called = predictor.preprocessing.called
    named = list(predictor.preprocessing.samples(samples))
    outputs = predictor.predict(item for _, item in named)
    found = [(name, output) for (name, _), output in zip(named, outputs, strict=True)]
    if as_json:
        rows = [{called: name, **predictor.answer(output)} for name, output in found]
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    # Names of files and classes are text, whatever brackets and colons they hold.
    console = Console(markup=False, emoji=False, highlight=False)
    if predictor.preprocessing.vocab is None:
        table = Table(called, "value", box=None)
        for name, output in found:
            table.add_row(name, f"{output.item():.6g}")
    else:
        table = Table(called, "class", "probability", box=None)
        for name, output in found:
            for place, (likely, probability) in enumerate(predictor.best(output, 3)):
                table.add_row("" if place else name, likely, f"{probability:.1%}")
    console.print(table)


@app.command()
def show(
    data: Data,
    mix: MixName = None,
    alpha: Alpha = None,
    size: Size = None,
    label: Label = None,
    label_pattern: LabelPattern = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="The picture, PNG, PDF or SVG; HTML for a board to play with."),
    ] = None,
    open: Annotated[bool, typer.Option(help="Show the board in the browser.")] = False,
) -> None:
    """Draw images, their partners, and the mixes with their targets and weights."""
    from vicinal import runs
    from vicinal.tasks import TrainOptions

    options = TrainOptions(
        data=data,
        mix=mix,
        alpha=alpha,
        size=size,
        label=label,
        label_pattern=label_pattern,
        seed=seed,
    )
    file = out or Path("mixed.html" if open else "mixed.png")
    if open and file.suffix.lower() != ".html":
        raise VicinalError(f"--open shows a page: give --out a name that ends in .html, not {file}")
    if file.suffix.lower() == ".html":
        from vicinal.study.board import show_board

        show_board(options, file, open=open)
    else:
        runs.show(options, file)
    print(f"drawn: {file}")


@app.command()
def cache(
    clear: Annotated[bool, typer.Option(help="Remove it all.")] = False,
) -> None:
    """Show, or clear, the images that were decoded for trainings before."""
    from vicinal.data import cache

    if clear:
        _tell("freed", f"{cache.clear() / 2**20:,.0f} MB in {cache.folder()}")
        return
    held = cache.entries()
    for entry in reversed(held):
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        _tell(used, f"{entry.size / 2**20:8,.0f} MB  {entry.file.name}")
    total = sum(entry.size for entry in held) / 2**20
    _tell("total", f"{total:,.0f} of at most {cache.LIMIT / 2**20:,.0f} MB in {cache.folder()}")


@app.command()
def bench(
    seconds: Annotated[float, typer.Option(help="For each comparison; more is steadier.")] = 3.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Folder for bench.json and bench.png.")] = None,
) -> None:
    """Time mixing beside a plain copy and the other libraries that are installed."""
    from vicinal.bench import report

    report.bench(device, seconds, out, tell=_tell)


def _typed(context: typer.Context) -> list[str]:
    """The options that stand on the command line, also where they say what holds without them."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def _tell(name: str, text: str) -> None:
    print(f"{name and name + ':':15} {text}", flush=True)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; a mistake of the user's is one sentence."""
    try:
        # Commands return nothing; a number is typer's own word, as 130 after Ctrl-C.
        return app(arguments, standalone_mode=False) or 0
    except VicinalError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        # A misspelt option: typer's own class for that has moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        sentence = error.format_message()  # empty where help was printed instead
        return _fail(f"{sentence} (vicinal --help lists what there is)") if sentence else 2


def _fail(sentence: str) -> int:
    print(f"vicinal: {sentence}", file=sys.stderr)
    return 2
