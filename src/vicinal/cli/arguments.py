"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from vicinal import kinds, methods

# The headings in the help, below that of the options that have none.
READING, IMAGES, FOLDER = "How DATA are read", "Images", "Results"

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
        help="Strength: the alpha of Beta(alpha, alpha), for each method that has one. If not "
        "given, the method's own: 0.4 for mixup, 1 for cutmix."
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(help="A published training: cifar10-fast, cifar10-best or imagenette."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Images: a network of timm's, resnet9 or vit6. Texts: text_cnn, text_transformer, "
        "hf:NAME, or the folder of such a model. Series: series_resnet, series_inception."
    ),
]
Pretrained = Annotated[
    bool | None,
    typer.Option(
        "--pretrained/--no-pretrained",
        help="Start from published weights. If not given, for photos.",
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training data.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples per batch.")]
Rate = Annotated[float | None, typer.Option(help="Peak learning rate.")]
SkipBad = Annotated[
    bool,
    typer.Option(
        help="Leave out images and series that cannot be read, and images that a table names and "
        "are missing.",
        rich_help_panel=READING,
        show_default=False,
    ),
]
Stream = Annotated[
    bool,
    typer.Option(
        help="Read the Parquet files of images one after another, and store nothing.",
        rich_help_panel=READING,
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(help="Replace what --out holds.", rich_help_panel=FOLDER, show_default=False),
]
Loss = Annotated[
    str | None,
    typer.Option(
        help="Of several labels: bce (binary cross-entropy), or asymmetric, for many labels of "
        "which each sample has few; of masks: ce (cross-entropy), dice (their overlap) or ce+dice. "
        "If not given, the first."
    ),
]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")]
Size = Annotated[
    str | None,
    typer.Option(
        help="Side of the images in pixels, or height x width, such as 96x128; of series, how many "
        "steps they are brought to. If not given, by the data.",
        rich_help_panel=IMAGES,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
