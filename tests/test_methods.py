"""The table of methods, and what follows from it."""

import inspect
from pathlib import Path

import pytest
import torch
from timm.models import VisionTransformer
from torch import nn

from vicinal import VicinalError
from vicinal.formatting import join_and
from vicinal.kinds import KINDS
from vicinal.methods import METHODS, OTHERS, help_line, methods_for
from vicinal.mixes import parse_mix
from vicinal.mixing import Mixer
from vicinal.mixing.looking import LooksWithModel
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.mixers import LEARNED

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@every_method
def test_the_class_has_the_strength_of_the_table(method):
    parameters = inspect.signature(method.mixer).parameters
    found = parameters["alpha"].default if "alpha" in parameters else None
    found = None if isinstance(found, tuple) else found  # a range, which is no strength
    if method.name == "manifoldmixup":  # the paper's, for hidden layers
        found = 2.0
    if method.callback:
        found = method.callback_type().mixer.alpha
    assert found == method.alpha


@every_method
def test_the_classes_have_the_defaults_of_the_settings(method):
    for setting in method.settings:
        owner = method.mixer if setting.to == "mixer" else method.callback_type
        default = inspect.signature(owner).parameters[setting.name].default
        assert setting.default in (default, None)


@every_method
def test_what_must_be_computed_from_targets_is_an_argument_that_has_no_default(method):
    parameters = inspect.signature(method.mixer).parameters
    needed = [n for n, p in parameters.items() if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    is_optional = method.learned == "num_classes"  # only of classes
    assert needed == ([method.learned] if method.learned and not is_optional else [])
    known = (*LEARNED, "rate", "importance", "num_classes")
    assert method.learned is None or method.learned in known


@every_method
def test_kinds_are_those_of_the_table_of_kinds(method):
    nouns = {kind.task_type.kind for kind in KINDS.values()}
    assert set(method.layers) <= nouns | {OTHERS}
    assert set(method.maximum) <= nouns


@every_method
def test_the_help_names_it(method):
    assert f"{method.name} ({method.summary})" in help_line("mixup")


def shown_layers(method):
    found = {kind: layers for kind, layers in method.layers.items() if layers is not None}
    others = found.pop(OTHERS, None)
    texts = [
        f"{kind}: {', '.join(f'`{layer}`' for layer in layers) or 'the input'}"
        for kind, layers in sorted(found.items())
    ]
    if others is not None:
        left_out = sorted(kind for kind, layers in method.layers.items() if layers is None)
        but = f" but {join_and(left_out)}" if left_out else ""
        where = "the last layer" if method.of_whole_batches else "the input"
        texts.append(f"{'all others' if texts else 'all'}{but}: {where}")
    return "; ".join(texts)


@every_method
def test_the_page_has_its_row(method):
    strength = "" if method.alpha is None else f"{method.alpha:g}"
    cells = (
        f"`{method.name}`",
        method.summary + (f" (for {method.targets})" if method.targets else ""),
        shown_layers(method),
        strength,
    )
    assert f"| {' | '.join(cells)} |\n" in PAGE.read_text()


def looked_at(name):
    """A network that a method can look at the batch with."""
    if name == "transmix":
        return VisionTransformer(8, 2, embed_dim=8, depth=1, num_heads=2)
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooled)


@pytest.mark.parametrize("method", methods_for("images", "classes"), ids=lambda m: m.name)
def test_each_makes_a_mixer_for_digits(method):
    options = TrainOptions("digits", mix=method.name)
    mixer = make_task(options, find_split(options)).batch_mixer()
    assert type(mixer).__name__ == method.factory
    assert getattr(mixer, "alpha", None) == method.alpha or method.alpha is None
    if isinstance(mixer, LooksWithModel):
        mixer.lend(looked_at(method.name))
    x, target = mixer(torch.rand(8, 3, 8, 8), torch.arange(8))
    assert x.shape == (8, 3, 8, 8)
    if method.of_whole_batches:
        assert target.shape == (1000, 8)
    else:
        assert len(target.weight) == 8


def test_names_are_parsed_once_for_the_options_of_a_task(monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return parse_mix(*arguments)

    monkeypatch.setattr("vicinal.tasks.options.parse_mix", counted)
    options = TrainOptions("digits", mix="mixup+cutmix")
    task = make_task(options, find_split(options))
    mixer = task.mixer(task.learner())
    assert isinstance(mixer, Mixer)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("mix", "alpha", "sentence"),
    [
        ("cutmixx", None, "not cutmixx: did you mean cutmix"),
        ("mixup+none", None, "joined by \\+, not mixup\\+none"),
        ("resizemix", 0.4, "--alpha does not apply to --mix resizemix"),
    ],
)
def test_mistakes(mix, alpha, sentence):
    with pytest.raises(VicinalError, match=sentence):
        parse_mix(mix, alpha)
