"""The command that trains."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vicinal.cli.arguments import (
    FOLDER,
    Alpha,
    BatchSize,
    Data,
    Epochs,
    Loss,
    MixName,
    Model,
    Overwrite,
    Precision,
    Pretrained,
    Rate,
    Recipe,
    Seed,
    Size,
    SkipBad,
    Stream,
)
from vicinal.cli.common import log, starting, typed_options
from vicinal.cli.data_options import data_options
from vicinal.memory import keep_freed_memory


@data_options
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
    loss: Loss = None,
    precision: Precision = "auto",
    compile: Annotated[
        bool,
        typer.Option(
            help="Use torch.compile: slow to start, and not always faster.", show_default=False
        ),
    ] = False,
    track: Annotated[
        str | None, typer.Option(help="Log to tensorboard, wandb, mlflow, or another tracker.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder. Default: a new one in runs/.", rich_help_panel=FOLDER),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option(
            help="Resume a run that was stopped or killed.",
            rich_help_panel=FOLDER,
            show_default=False,
        ),
    ] = False,
    skip_bad: SkipBad = False,
    stream: Stream = False,
    **how: Any,
) -> None:
    """Train a network on DATA, with mixing or without, and save it to a run folder."""
    with starting():
        from vicinal import runs
        from vicinal.processes import this_process
        from vicinal.tasks import TrainOptions
        from vicinal.tasks.predictor import preprocessing_of
        from vicinal.tasks.run_config import read_config

    keep_freed_memory()  # the process is ours
    state = this_process()  # of several processes, only the main one logs
    log_once = state.on_main_process(log)
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
        loss=loss,
        precision=precision,
        compile=compile,
        track=track,
        seed=seed,
        skip_bad=skip_bad,
        stream=stream,
        **how,
    )
    folder = runs.train(
        options, out, overwrite=overwrite, resume=resume, typed=typed_options(context), log=log_once
    )
    state.print(f"\nsaved to {folder}: model, settings, metrics and pictures; use it with")
    argument = preprocessing_of(read_config(folder)["predict"]["kind"]).argument
    state.print(f"vicinal predict {folder} {argument}...")
