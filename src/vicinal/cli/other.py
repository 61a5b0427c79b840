"""The commands for the cache and the benchmark."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from vicinal.cli.common import log, starting


def cache(
    clear: Annotated[bool, typer.Option(help="Remove all of it.", show_default=False)] = False,
) -> None:
    """Show or clear the cache of decoded images."""
    with starting():
        from vicinal.data import cache

    if clear:
        log("freed", f"{cache.clear() / 2**20:,.0f} MB in {cache.folder()}")
        return
    held = cache.entries()
    for entry in reversed(held):
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        log(used, f"{entry.size / 2**20:8,.0f} MB  {entry.file.name}")
    total = sum(entry.size for entry in held) / 2**20
    log("total", f"{total:,.0f} of at most {cache.LIMIT / 2**20:,.0f} MB in {cache.folder()}")


def bench(
    seconds: Annotated[float, typer.Option(help="For each comparison; more is steadier.")] = 3.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Folder for bench.json and bench.png.")] = None,
) -> None:
    """Time mixing beside a plain copy and the other libraries that are installed."""
    with starting():
        from vicinal.bench import report

    report.bench(device, seconds, out, log)
