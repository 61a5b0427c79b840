"""The command line. Everything heavy is imported by the command that needs it."""

import sys

import typer

from vicinal.cli.export import export
from vicinal.cli.other import bench, cache
from vicinal.cli.study import advise, compare, compare_worker
from vicinal.cli.train import train
from vicinal.cli.use import predict, show
from vicinal.errors import VicinalError
from vicinal.stopping import status, stopping_on_signals

__all__ = ["app", "run"]

app = typer.Typer(
    help="Train networks on mixed samples (mixup), and measure whether it helps. Begin with: "
    "vicinal train digits",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    train,
    compare,
    advise,
    predict,
    export,
    show,
    cache,
    bench,
):  # in the order of the help
    app.command()(command)
app.command(hidden=True)(compare_worker)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; a user's mistake prints one sentence.

    SIGTERM and SIGHUP end a command as Ctrl-C does: what it has is saved. The exit code is then 128
    and the signal's number.
    """
    with stopping_on_signals():
        code = _run(arguments)
        return code if code == 2 else status() or code


def _run(arguments: list[str] | None) -> int:
    try:
        # Commands return None; a number is typer's own exit code, as 130 after Ctrl-C.
        return app(arguments, standalone_mode=False) or 0
    except VicinalError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        if status():  # workers and other processes were told to end, too: what they left undone
            return 1
        # A misspelt option: the class of typer's exception has moved between its versions.
        if not hasattr(error, "format_message"):
            raise
        sentence = error.format_message()  # empty where help was printed instead
        return _fail(f"{sentence} (vicinal --help lists the commands)") if sentence else 2


def _fail(sentence: str) -> int:
    print(f"vicinal: {sentence}", file=sys.stderr)
    return 2
