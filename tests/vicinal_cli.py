"""The command line, called in this process."""

import json
from pathlib import Path

from vicinal.cli import run


def fails(capsys, *arguments):
    """Run a command that must fail with one sentence and exit code 2; gives the sentence."""
    capsys.readouterr()
    assert run([str(a) for a in arguments]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("vicinal: ")
    assert sentence.count("\n") == 1
    return sentence


def rows_of(folder):
    """The metrics that a run left, a dict for each epoch."""
    return [json.loads(row) for row in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
