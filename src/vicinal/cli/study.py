"""The commands that answer whether mixing helps: compare and advise."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from vicinal.cli.arguments import (
    FOLDER,
    BatchSize,
    Data,
    Epochs,
    Loss,
    Model,
    Overwrite,
    Precision,
    Pretrained,
    Rate,
    Recipe,
    Size,
    SkipBad,
)
from vicinal.cli.common import log, starting, typed_options
from vicinal.cli.data_options import data_options
from vicinal.memory import keep_freed_memory, loading


@data_options
def compare(
    context: typer.Context,
    data: Data,
    mix: Annotated[
        str | None,
        typer.Option(
            help="Methods to compare, separated by commas, each as for train: "
            "none,mixup:0.2,mixup+cutmix. Default: none,mixup,cutmix for images and series, "
            "also classmix for masks, none,mixup,cmixup for values, none,mixup for others."
        ),
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(help="Strengths, separated by commas, such as 0.1,0.4,1.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Numbers of epochs, separated by commas, such as 5,20,80.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="How often each method is trained, with another seed. Default: 3. Add more "
            "by --resume."
        ),
    ] = None,
    first_seed: Annotated[
        int,
        typer.Option(
            help="The first of the seeds. Use new seeds to confirm what earlier ones suggest."
        ),
    ] = 0,
    train_size: Annotated[
        str | None,
        typer.Option(
            help="Use only this many training samples, or this share of them. Several sizes, such "
            "as 500,2000,8000, make a map of where mixing helps."
        ),
    ] = None,
    label_noise: Annotated[
        float, typer.Option(help="Make this share of the training labels wrong.")
    ] = 0.0,
    ood: Annotated[
        str | None,
        typer.Option(
            help="Other data, of none of DATA's classes, such as another folder of images: are the "
            "networks less confident about them? Labels are not needed."
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Take no longer than this, such as 20m, 1h30m or 90s.")
    ] = None,
    recipe: Recipe = None,
    model: Model = None,
    pretrained: Pretrained = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    size: Size = None,
    loss: Loss = None,
    precision: Precision = "auto",
    skip_bad: SkipBad = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the comparison. Default: a new one in runs/.",
            rich_help_panel=FOLDER,
        ),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option(
            help="Resume a comparison, or add seeds, methods, epochs or training sizes to it.",
            rich_help_panel=FOLDER,
            show_default=False,
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Number of processes that train at once. Default: one for each GPU; without GPUs, "
            "one for each processor, if the runs take long enough."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Train on a Ray cluster: auto for the one that this machine belongs to, or an "
            "address, such as ray://10.0.0.1:10001."
        ),
    ] = None,
    **how: Any,
) -> None:
    """Measure whether mixing helps on DATA: train with and without it, over several seeds."""
    from vicinal.study.formatting import parse_duration, parse_list

    mixes = parse_list("mix", mix, str, "names")
    alphas = parse_list("alpha", alpha, float, "numbers")
    lengths = parse_list("epochs", epochs, int, "whole numbers")
    sizes = parse_list("train-size", train_size, float, "numbers")
    time = None if budget is None else parse_duration(budget)

    with starting():
        from vicinal.study.command import compare_data
        from vicinal.study.config import ExperimentConfig
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
        loss=loss,
        precision=precision,
        skip_bad=skip_bad,
        **how,
    )
    config = ExperimentConfig(options, mixes, alphas, lengths, sizes, label_noise, ood, first_seed)
    report = compare_data(
        config,
        seeds=seeds,
        budget=time,
        out=out,
        resume=resume,
        overwrite=overwrite,
        jobs=jobs,
        ray=ray,
        typed=typed_options(context),
        log=log,
    )
    print(f"\nthe report: {report}")


def compare_worker(path: Path, seconds: float) -> None:
    """Do runs of a comparison beside the process that started it."""
    with loading():
        from vicinal.study import command

    keep_freed_memory()
    command.compare_worker(path, seconds)


@data_options
def advise(
    data: Data,
    epochs: Epochs = None,
    model: Model = None,
    pretrained: Pretrained = None,
    label_noise: Annotated[
        float, typer.Option(help="The share of the labels that are wrong, as far as you know.")
    ] = 0.0,
    skip_bad: SkipBad = False,
    **how: Any,
) -> None:
    """Say which method to try on DATA, and why; nothing is trained."""
    from vicinal.progress import status

    with starting():
        from vicinal.study.config import ExperimentConfig
        from vicinal.study.training_set import check_label_noise
        from vicinal.tasks import TrainOptions, find_split, make_task
        from vicinal.tasks.advice import rules_for, situation_of, trial_for, verdict

    options = TrainOptions(
        data=data,
        epochs=epochs,
        model=model,
        pretrained=pretrained,
        skip_bad=skip_bad,
        **how,
    )
    check_label_noise(label_noise)
    split = find_split(options)
    task = make_task(options, split)
    with status("counting its parameters"):
        situation = situation_of(task, label_noise)
    log("data", task.describe())
    start = "published" if situation.pretrained else "random"
    weights = task.chosen().get("weights", start)  # with a reason, where there is one
    log("training", f"{task.model}, {task.epochs} epochs, weights: {weights}")
    for name, text in situation.looked_at():
        log(name, text)
    for rule in rules_for(situation):
        log(rule.side, rule.text)
        log("", f"({rule.grounds})")
    trial = trial_for(situation)
    lengths = (task.epochs, trial.longer) if trial.longer else (epochs,) if epochs else ()
    config = ExperimentConfig(
        replace(options, epochs=None),
        mixes=("none", *trial.mixes),
        alphas=trial.alphas,
        epochs=lengths,
    )
    print(f"\n{verdict(situation)}\nTo try: {trial}\nTo measure it: {config.command()}")
