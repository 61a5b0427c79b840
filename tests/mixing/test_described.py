"""Every option is in the signature, the docstring and the errors of every mixer."""

import copy
import inspect
import pickle
import pydoc
from typing import Unpack

import pytest
import torch

import vicinal
from vicinal import Choice, CutMix, DetectionMixUp, ManifoldMixUp, Mixer, MixUp, Schedule
from vicinal.mixing import Method
from vicinal.mixing.described import _sections
from vicinal.mixing.method import MethodOptions
from vicinal.mixing.methods import __all__ as METHODS

from .needed import NEEDED

CLASSES = [*(getattr(vicinal, name) for name in METHODS), Choice, Schedule, ManifoldMixUp]
CLASSES += [Mixer, Method]


def parameters(cls):
    return inspect.signature(cls).parameters


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
class TestEveryMixer:
    def test_documents_each_option_that_it_takes(self, cls):
        _, entries, _ = _sections(cls.__doc__)
        documented = [name for names in entries for name in names]
        assert sorted(documented) == sorted(parameters(cls))
        for names, entry in entries.items():
            text = " ".join(entry).partition(": ")[2]
            assert len(text) > 10, names
            assert "of :class:`Mixer`" not in text, names

    def test_shows_defaults_that_are_used(self, cls):
        _, entries, _ = _sections(cls.__doc__)
        made = instance(cls)
        for name, parameter in parameters(cls).items():
            (text,) = (" ".join(map(str.strip, e)) for n, e in entries.items() if name in n)
            if " Default: " in text:
                shown = text.partition(" Default: ")[2].rstrip(".")
                assert eval(shown) == parameter.default, name
            is_kept = parameter.default not in (None, inspect.Parameter.empty)
            if is_kept and hasattr(made, name):
                assert getattr(made, name) == parameter.default, name

    def test_takes_what_the_signature_shows(self, cls):
        shown = {
            name: value.default
            for name, value in parameters(cls).items()
            if value.default is not inspect.Parameter.empty
        }
        instance(cls, **shown)
        assert not any(p.kind is p.VAR_KEYWORD for p in parameters(cls).values())

    def test_names_a_misspelt_option(self, cls):
        with pytest.raises(
            TypeError, match=f"^{cls.__name__} has no option 'sed'; did you mean 's"
        ):
            instance(cls, sed=1)
        with pytest.raises(
            TypeError, match=r"has no option 'unheard_of'\. Its options are "
        ) as error:
            instance(cls, unheard_of=1)
        assert all(name in str(error.value) for name in parameters(cls))


def instance(cls, **options):
    if inspect.isabstract(cls):
        cls = type(cls.__name__, (cls,), dict.fromkeys(cls.__abstractmethods__, lambda self: None))
    return cls(**(NEEDED.get(cls.__name__, {}) | options))


@pytest.mark.parametrize("cls", [MixUp, CutMix])
def test_help_shows_them(cls):
    text = pydoc.plain(pydoc.render_doc(cls))
    assert "per: Literal['sample', 'batch'] = 'sample'" in text
    assert 'per: "sample" draws for each sample' in text
    assert text.index('per: "sample"') < text.index("partners: how partners")


def test_a_misspelt_argument_that_is_needed():
    with pytest.raises(TypeError, match="no option 'bandwith'; did you mean 'bandwidth'"):
        vicinal.CMixUp(bandwith=0.5)


class Own(Method):
    """A method of a user.

    Args:
        strength: how much.
        **options: of :class:`Method`.
    """

    def __init__(self, strength: float, **options: Unpack[MethodOptions]) -> None:
        super().__init__(**options)
        self.strength = strength

    def pattern(self, count, size, generator):
        raise NotImplementedError


class Mixin:
    def helper(self):
        """Nothing."""


class Mixed(Mixin, Method):
    def __init__(self, **options: Unpack[MethodOptions]) -> None:
        super().__init__(**options)

    def pattern(self, count, size, generator):
        raise NotImplementedError


class Untyped(MixUp):
    def __init__(self, strength, **options):
        super().__init__(strength, **options)


class TestOwnMixers:
    def test_options_of_annotated_ones_are_listed(self):
        assert [*parameters(Own)][:4] == ["strength", "per", "p", "partners"]
        assert "    strength: how much.\n    per: " in Own.__doc__
        with pytest.raises(
            TypeError, match=r"^Own has no option 'strenth'; did you mean 'strength'"
        ):
            Own(strenth=1.0)

    def test_beside_other_bases(self):
        assert [*parameters(Mixed)] == [*parameters(Method)]
        assert Mixed(p=0.5).p == 0.5

    def test_the_base_class_checks_the_others(self):
        assert Untyped(0.5, p=0.5).p == 0.5
        with pytest.raises(TypeError, match=r"^Untyped has no option 'seeed'"):
            Untyped(0.5, seeed=3)

    def test_they_can_be_copied_and_pickled(self):
        for mixer in (Own(1.0, p=0.5, seed=3), Untyped(0.2, seed=3), DetectionMixUp(seed=3)):
            for other in (copy.deepcopy(mixer), pickle.loads(pickle.dumps(mixer))):
                assert repr(other) == repr(mixer)


def test_a_method_that_does_not_say_what_it_draws():
    class Nameless(Method):
        def pattern(self, count, size, generator):
            raise NotImplementedError

    message = r"^Nameless has no drawn_types: name what its pattern\(\) returns, such as drawn_t"
    with pytest.raises(AttributeError, match=message):
        Nameless().draw(torch.rand(4, 3))
