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
DEFAULT_MIX = "the recipe's, or what is known to gain in a training like yours, with the reason"
MixName = Annotated[
    str | None,
    typer.Option(help=methods.help_line(DEFAULT_MIX)),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        help="Strength: the alpha of Beta(alpha, alpha), for each method that has one. Default: "
        "the method's own, 0.4 for mixup, 1 for cutmix."
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="Take the settings of a published training: cifar10-fast, cifar10-best or imagenette."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Images: the name of a timm network, resnet9 or vit6. Texts: text_cnn, "
        "text_transformer, hf:NAME (a model of the Hugging Face hub), or the folder of such a "
        "model. Series: series_resnet, series_inception. Default: chosen by the data."
    ),
]
Pretrained = Annotated[
    bool | None,
    typer.Option(
        "--pretrained/--no-pretrained",
        help="Start from published weights. Default: for photos.",
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training data.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples per batch.")]
Rate = Annotated[float | None, typer.Option(help="Peak learning rate.")]
SkipBad = Annotated[
    bool,
    typer.Option(
        help="Leave out images and series that cannot be read, and images that a table names but "
        "that are missing.",
        rich_help_panel=READING,
        show_default=False,
    ),
]
Stream = Annotated[
    bool,
    typer.Option(
        help="Read Parquet files of images during training, and store nothing on disk.",
        rich_help_panel=READING,
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(help="Replace what is in --out.", rich_help_panel=FOLDER, show_default=False),
]
Loss = Annotated[
    str | None,
    typer.Option(
        help="For several labels: bce (binary cross-entropy, the default), or asymmetric, for "
        "many labels of which each sample has few. For masks: ce (cross-entropy, the default), "
        "dice (their overlap) or ce+dice."
    ),
]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")]
Size = Annotated[
    str | None,
    typer.Option(
        help="Side of the images in pixels, or height x width, such as 96x128. For series, the "
        "number of steps to resample them to. Default: chosen by the data.",
        rich_help_panel=IMAGES,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
