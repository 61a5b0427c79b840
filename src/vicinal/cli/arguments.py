"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from vicinal import kinds, methods

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
        help="Strength: the alpha of Beta(alpha, alpha); if not given, the method's own: 0.4 for "
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
        "hf:NAME, or the folder of such a model."
    ),
]
Pretrained = Annotated[
    bool | None,
    typer.Option(
        "--pretrained/--no-pretrained", help="Start from published weights; default for photos."
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training data.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples per batch.")]
Rate = Annotated[float | None, typer.Option(help="Peak learning rate.")]
SkipBad = Annotated[bool, typer.Option(help="Leave out images that cannot be read.")]
Stream = Annotated[bool, typer.Option(help="Stream Parquet shards, without storing them.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")]
Size = Annotated[
    str | None,
    typer.Option(
        help="Side of the images in pixels, or height x width, such as 96x128; if not given, by "
        "the data."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
