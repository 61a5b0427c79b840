"""How much each column of a table says about its targets."""

import math
from pathlib import Path

import pytest
import torch

from vicinal import FeatMix
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.importance import importance

GENERATOR = torch.Generator().manual_seed(0)
X = {
    "numbers": torch.randn(300, 2, generator=GENERATOR),
    "categories": torch.randint(4, (300, 2), generator=GENERATOR),
}
SIGN = (X["numbers"][:, 1] > 0).long()
HIGH = (X["categories"][:, 0] > 1).long()


def test_columns_that_decide_about_the_class_are_found():
    found = importance(X, SIGN + 2 * HIGH, values=False)
    assert found.dtype == torch.float64
    assert found[1].item() == pytest.approx(math.log(2), abs=0.05)
    assert found[2].item() == pytest.approx(math.log(2), abs=0.05)
    assert found[[0, 3]].max() < 0.1


def test_labels_add_up_and_values_are_told_from_them():
    several = importance(X, torch.stack([SIGN, HIGH], 1).float(), values=False)
    assert several[1:3].tolist() == pytest.approx([math.log(2)] * 2, abs=0.05)
    of_values = importance(X, X["numbers"][:, :1].double(), values=True)
    assert of_values.argmax() == 0
    assert of_values[0] > 2


@pytest.mark.parametrize("name", ["numbers", "categories"])
def test_columns_of_one_kind_and_few_rows_serve(name):
    x = {name: X[name][:5]}
    found = importance(x, SIGN[:5], values=False)
    assert found.shape == (2,)
    assert bool((found >= 0).all())


def test_many_rows_are_reduced_to_some(monkeypatch):
    monkeypatch.setattr("vicinal.tasks.importance.ROWS", 100)
    found = importance(X, SIGN, values=False)
    assert found[1] > 0.5
    assert torch.equal(found, importance(X, SIGN, values=False))


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_table_trains_with_what_its_rows_say(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    label = SIGN if kind == "classes" else X["numbers"][:, 0].double() * 3.7
    rows = zip(X["numbers"].tolist(), X["categories"].tolist(), label.tolist(), strict=True)
    lines = [f"{a},{b},c{c},d{d},{y}" for (a, b), (c, d), y in rows]
    Path("rows.csv").write_text("\n".join(["a,b,c,d,y", *lines[:90]]))
    options = TrainOptions("rows.csv", label="y", mix="featmix")
    mixer = make_task(options, find_split(options)).batch_mixer()
    assert isinstance(mixer, FeatMix)
    decides = 1 if kind == "classes" else 0
    assert mixer.importance[decides] == max(mixer.importance)
    assert mixer.importance[decides] > 3 * sorted(mixer.importance)[-2]
