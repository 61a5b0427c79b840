"""The command that writes a run as files that work without vicinal."""

from pathlib import Path
from typing import Annotated

import typer

from vicinal import kinds
from vicinal.cli.arguments import FOLDER, Overwrite
from vicinal.cli.common import log


def export(
    run: Annotated[Path, typer.Argument(help="The run folder of vicinal train.")],
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"What the files are checked with: {kinds.samples_help()} If not given, "
            "validation samples of the run's data.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help="onnx, torch (torch.export), timm (weights) and hub (a folder for the Hugging "
            "Face hub), separated by commas."
        ),
    ] = "onnx,torch",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder for the files. If not given, RUN-export.", rich_help_panel=FOLDER
        ),
    ] = None,
    overwrite: Overwrite = False,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            help="Upload the files to OWNER/NAME on the Hugging Face hub.",
            rich_help_panel=FOLDER,
        ),
    ] = None,
) -> None:
    """Write a trained network for use without vicinal: ONNX, torch.export, timm, a hub's folder.

    Each file is run and compared with the run's own predictions first.
    """
    from vicinal.progress import status

    with status("starting"):
        from vicinal.export.run import export_run

    export_run(
        run,
        out,
        formats=format,
        samples=samples or (),
        overwrite=overwrite,
        push_to_hub=push_to_hub,
        log=log,
    )
