"""Settings that are assigned: the constructor decides what is refused, and how it is stored."""

import copy
import inspect
import pickle

import pytest
import torch

import vicinal
from vicinal import Choice, CutMix, ManifoldMixUp, Mixer, MixUp, Schedule
from vicinal.mixing import Method
from vicinal.mixing.blend import Blend
from vicinal.mixing.methods import __all__ as METHODS

from .needed import NEEDED

X, Y = torch.rand(8, 3), torch.arange(8)
CLASSES = [*(getattr(vicinal, name) for name in METHODS), Choice, Schedule]
VALUES = [-1, 0, 1, 2, 0.5, float("nan"), "x", "sample", True, None, (0.2, 0.4), (0.5, 0.5, 3), []]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_constructor_decides(cls):
    needed = NEEDED.get(cls.__name__, {})
    made = cls(**needed)
    kept = [name for name in inspect.signature(cls).parameters if name in vars(made)]
    assert len(kept) >= 2
    for name in kept:
        if name in ("mixer", "mixers"):
            continue
        for value in VALUES:
            mixer = cls(**needed)
            before = getattr(mixer, name)
            refused, expected = constructed(cls, needed | {name: value}, name)
            if refused is None:
                setattr(mixer, name, value)
                assert type(getattr(mixer, name)) is type(expected)
                assert repr(getattr(mixer, name)) == repr(expected)
                continue
            with pytest.raises(type(refused)) as found:
                setattr(mixer, name, value)
            assert str(found.value) == str(refused)
            assert getattr(mixer, name) is before


def constructed(cls, arguments, name):
    """The error of a constructor, or None; and what it stores."""
    try:
        return None, getattr(cls(**arguments), name)
    except (TypeError, ValueError) as error:
        return error, None


@pytest.mark.parametrize("make", [lambda: MixUp(alpha=1.0), lambda: Choice([MixUp(), CutMix()])])
def test_copies_are_checked_and_a_refused_value_changes_no_draw(make):
    mixer = make()
    for each in (mixer, copy.copy(mixer), copy.deepcopy(mixer), pickle.loads(pickle.dumps(mixer))):
        with pytest.raises(ValueError, match="per must be one of 'sample', 'batch', not 'bach'"):
            each.per = "bach"
        assert each.version == mixer.version


def test_options_of_a_wrapper_may_differ_from_what_it_has_adopted():
    mixer = Choice([MixUp(partners="shuffle"), CutMix(partners="shuffle")])
    mixer.partners, mixer.half, mixer.fields = "cycle", True, "image"
    assert (mixer.partners, mixer.half, mixer.fields) == ("cycle", True, ("image",))
    with pytest.raises(ValueError, match="half and partners='near' exclude each other"):
        mixer.partners = "near"
    inside = ManifoldMixUp(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)))
    with pytest.raises(ValueError, match="integers must be one of"):
        inside.integers = "wait"


def test_a_seed_is_taken_once():
    mixer = MixUp(seed=3)
    with pytest.raises(AttributeError, match="seed=5 cannot be assigned: make a MixUp with it"):
        mixer.seed = 5
    assert mixer.random.seed == 3


def test_a_constructor_from_elsewhere_is_not_called_again():
    made = []

    class Loaded(Method):
        drawn_types = (Blend,)

        def __init__(self, file, **options):
            super().__init__(**options)
            made.append(file)
            self.file, self.alpha = file, -2.0
            self.alpha = -1.0

        def pattern(self, count, size, generator):
            return Blend(torch.full((count,), 0.5))

    mixer = Loaded("weights.pt")
    mixer.alpha, mixer.file, mixer.note = -3.0, "others.pt", "a"
    mixer.fields = "image"
    assert (made, mixer.alpha, mixer.file, mixer.fields) == (
        ["weights.pt"], -3.0, "others.pt", ("image",),
    )  # fmt: skip
    with pytest.raises(TypeError, match="half must be True or False, not 'yes'"):
        mixer.half = "yes"
    del mixer.partners  # as a method that chooses them itself does
    mixer.half = True
    assert mixer.half
    assert isinstance(mixer, Mixer)


def test_a_schedule_changes_alpha_for_every_batch():
    mixer = Schedule(MixUp(), alpha=(0.0, 1.0), steps=5, seed=0)
    alphas = []
    for _ in range(5):
        mixer(X, Y)
        alphas.append(mixer.mixer.alpha)
    assert alphas == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert len({mixer.version}) == 1
