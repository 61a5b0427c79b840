"""The error for a trainer that is not installed."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("extra", "packages"),
    [
        ("fastai", {"fastai"}),
        ("keras", {"keras"}),
        ("lightning", {"lightning", "pytorch_lightning"}),
        ("skorch", {"skorch"}),
        ("timm", {"timm"}),
        ("transformers", {"transformers"}),
    ],
)
def test_without_the_trainer(extra, packages, monkeypatch):
    for name in packages | {n for n in sys.modules if n.split(".")[0] in packages}:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"vicinal.integrations.{extra}", raising=False)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'vicinal\[{extra}\]'"):
        importlib.import_module(f"vicinal.integrations.{extra}")
