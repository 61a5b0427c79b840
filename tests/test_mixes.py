"""What ``--mix`` can say: parsing, writing, and what is refused."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.methods import METHODS, OF_METHODS, OF_THE_WHOLE, SYNONYMS, settings_of
from vicinal.mixes import MODES, parse_mix, written

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def numbers(setting):
    """Values of a setting as they are typed."""
    if setting.kind in ("word", "flag"):
        return st.sampled_from(setting.words or ("true", "false"))
    high = min(setting.high, 9)
    if setting.kind == "whole":
        return st.integers(int(setting.low), int(high)).map(str)
    number = st.floats(setting.low, high, exclude_min=setting.above)
    if setting.kind == "pair":
        return st.tuples(number, number).map(lambda pair: "/".join(map(repr, sorted(pair))))
    return number.map(repr)


@st.composite
def methods(draw, several):
    alone = [m for m in METHODS.values() if not several or not m.why_by_shares]
    method = draw(st.sampled_from(alone))
    words = [method.name]
    known = settings_of(method)
    own = [known[setting.name] for setting in method.settings]
    replaced = any(setting.replaces_alpha for setting in own)
    if "alpha" in known and not replaced and draw(st.booleans()):
        words.append(draw(st.floats(1e-300, 1e300).map(repr)).replace("+", ""))
    words += [f"{s.name}={draw(numbers(s))}" for s in own if draw(st.booleans())]
    if "layers" in known and draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(["input", "Hidden.2", "a*", "b_c-d"]), min_size=1))
        words.append(f"layers={'/'.join(names)}")
    return ":".join(words)


@st.composite
def mixes(draw):
    several = draw(st.booleans())
    parts = draw(st.lists(methods(several), min_size=1, max_size=3 if several else 1))
    if len(parts) > 1 and draw(st.booleans()):
        parts[0] += f":share={draw(st.floats(0.01, 0.99))!r}"
    for text in draw(st.lists(st.sampled_from(["prob=0.25", "until=0.8", "mode=batch"]), unique=1)):
        parts[draw(st.integers(0, len(parts) - 1))] += f":{text}"
    return "+".join(parts)


@given(mixes())
def test_text_that_is_written_is_read_as_the_same(text):
    spec = parse_mix(text)
    assert parse_mix(spec.text) == spec
    assert parse_mix(spec.text).text == spec.text
    assert parse_mix(text.upper() if "layers" not in text else text) == spec
    assert sum(spec.shares) == pytest.approx(1)
    if "*" not in spec.text:
        assert shlex.quote(spec.text) == spec.text  # a shell leaves it alone


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("none", "none"),
        ("None", "none"),
        ("MixUp+cutmix", "mixup+cutmix"),
        ("mixup:0.80+CutMix:1.0:prob=.5", "mixup:0.8+cutmix:1:prob=0.5"),
        ("mixup:alpha=0.8:mixup-prob=0.5+cutmix:1", "mixup:0.8+cutmix:1:prob=0.5"),
        ("mixup+cutmix:mixup_switch_prob=0.3", "mixup+cutmix:share=0.3"),
        ("cutmix+mixup:switch_prob=0.3", "cutmix:share=0.3+mixup"),
        ("mixup:prob=1+cutmix:switch_prob=0.5:off_epoch=0:until=1:mode=elem", "mixup+cutmix"),
        ("mixup:share=0.5+cutmix:share=0.5", "mixup+cutmix"),
        ("mixup:per=sample", "mixup"),
        ("mixup:per=batch", "mixup:mode=batch"),
        ("mixup:mixup_off_epoch=15", "mixup:off_epoch=15"),
        ("mixup:1e20", "mixup:1e20"),
        ("cutmix:cutmix_minmax=0.2/0.8", "cutmix:minmax=0.2/0.8"),
        ("gridmix:cells=4", "gridmix"),
        ("ResizeMix:place=Plain", "resizemix:place=plain"),
        ("resizemix:place=random:scope=0.2/0.4", "resizemix:scope=0.2/0.4"),
        ("transmix:tokens=True", "transmix:tokens=true"),
        ("transmix:tokens=false", "transmix"),
        ("mixup:partners=Other-Class+cutmix", "mixup+cutmix:partners=other_class"),
        ("mixup:partners=cycle:labels=shares", "mixup"),
        ("fmix:decay=2:0.5", "fmix:0.5:decay=2"),
        ("manifoldmixup:layers=Hidden.2/inputs/Hidden.2", "manifoldmixup:layers=Hidden.2/inputs"),
    ],
)
def test_what_is_typed_has_one_way_to_be_written(text, written):
    assert parse_mix(text).text == written


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "--mix must be none, or some of mixup, manifoldmixup, .* joined by \\+, not nothing$"),
        ("mixpu:0.2", "not mixpu:0.2: did you mean mixup\\?"),
        ("mixup+none", "not mixup\\+none$"),
        ("none:prob=0.5", "none has no settings"),
        ("mixup:shar=0.3", "--mix mixup:shar=0.3: mixup has no setting shar: did you mean share"),
        ("mixup:wxyz=3", "no setting wxyz: it has alpha, share, layers, prob, switch_prob, mode,"),
        ("mixup:=3", "mixup has no setting without a name"),
        ("mixup:", "nothing is neither a strength nor a setting such as prob=0.5"),
        ("mixup:strong", "strong is neither a strength nor a setting"),
        ("mixup:0", "alpha must be a number above 0, not 0"),
        ("mixup:-1", "alpha must be a number above 0, not -1"),
        ("mixup:nan", "alpha must be a number above 0, not nan"),
        ("mixup:0.2:0.3", "alpha is there twice: leave out one of them"),
        ("mixup:0.2:alpha=0.2", "alpha is there twice"),
        ("mixup:prob=0.5:mixup_prob=0.5", "prob is there twice"),
        ("mixup:prob=0.5+cutmix:prob=0.5", "prob is there twice in mixup:prob=0.5\\+cutmix:"),
        ("mixup:prob=0", "prob must be a number above 0 and up to 1, not 0"),
        ("mixup:prob=", "prob must be a number above 0 and up to 1, not nothing"),
        ("mixup:until=1.5", "until must be a number above 0 and up to 1, not 1.5"),
        ("mixup:share=1.2+cutmix", "share must be a number above 0 and up to 1, not 1.2"),
        ("mixup:share=0.5", "share is for methods that take turns: use prob instead"),
        ("mixup:share=0.5+cutmix:share=0.6", "the shares add up to 1.1, not to 1"),
        ("mixup:share=0.6+cutmix:share=0.6+fmix", "add up to 1.2, which leaves nothing for fmix"),
        ("mixup:share=1+cutmix", "the shares add up to 1, which leaves nothing for cutmix"),
        ("mixup:switch_prob=0.3", "the probability of cutmix in mixup\\+cutmix: use share"),
        ("mixup+fmix:switch_prob=0.3", "the probability of cutmix in mixup\\+cutmix: use share"),
        ("mixup+cutmix:switch_prob=0", "switch_prob must be a number above 0 and up to 1, not 0"),
        ("mixup+cutmix:switch_prob=1", "switch_prob=1 leaves nothing for mixup"),
        ("mixup+cutmix:share=0.3:switch_prob=0.3", "switch_prob and share say the same"),
        ("mixup:off_epoch=-1", "off_epoch must be a whole number, 0 or more, not -1"),
        ("mixup:off_epoch=1.5", "off_epoch must be a whole number, 0 or more, not 1.5"),
        ("mixup:off_epoch=3:until=0.5", "until and off_epoch both end the mixing"),
        ("mixup:mode=half", "mode cannot be half, which halves the batches: use batch, pair or"),
        ("mixup:partners=pairs", "partners cannot be pairs, .* use mode=pair instead"),
        ("mixup:partners=class", "partners must be cycle, .*, near or far, not class"),
        ("mixup:partners=far:mode=pair", "mode=pair and partners=far exclude each other"),
        ("balancedmixup:partners=near", "balancedmixup chooses partners itself: leave out part"),
        ("mixup+zetamixup", "zetamixup cannot take turns with others: name it alone"),
        ("mixup+multimix:n=50", "multimix cannot take turns with others: name it alone"),
        ("multimix:labels=union", "multimix blends all samples of a batch, many times, at the la"),
        ("multimix:partners=near", "multimix chooses partners itself: leave out partners=near"),
        ("multimix:0.4", "multimix has no strength: leave out 0.4"),
        ("multimix:n=0", "n must be a whole number, 1 or more, not 0"),
        ("zetamixup:labels=union", "zetamixup blends all samples of a batch, by shares: leave ou"),
        ("mixup:mode=all", "mode must be batch, pair or elem, not all"),
        ("cmixup:mode=pair", "cmixup chooses partners itself, so mode cannot be pair"),
        ("cutmix:layers=stem", "cutmix is applied to the input alone: leave out layers"),
        ("manifoldmixup:layers=", "layers must be names of layers, joined by /, not nothing"),
        ("resizemix:0.4", "resizemix has no strength: leave out 0.4"),
        ("resizemix:alpha=0.4", "resizemix has no strength: leave out alpha"),
        ("gridmix:cells=2.5", "cells must be a whole number, 1 or more, not 2.5"),
        ("cutmix:minmax=0.8/0.2", "minmax must be two numbers from 0 to 1 in order, such as"),
        ("cutmix:minmax=0.8", "minmax must be two numbers"),
        ("cutmix:1:minmax=0.2/0.8", "cutmix:1:minmax=0.2/0.8: minmax takes the place of alpha"),
        ("resizemix:place=centre", "place must be random, plain or salient, not centre"),
        ("transmix:tokens=yes", "tokens must be true or false, not yes"),
        ("transmix:tokens=", "tokens must be true or false, not nothing"),
        ("remix:kappa=0.5", "kappa must be a number, 1 or more, not 0.5"),
    ],
)
def test_mistakes_name_the_wrong_part_and_what_is_possible(text, sentence):
    with pytest.raises(VicinalError, match=sentence):
        parse_mix(text)


class TestAlpha:
    def test_it_is_the_strength_of_each_method_that_has_one(self):
        spec = parse_mix("mixup+resizemix+cutmix:prob=0.5", 0.8)
        assert [part.strength for part in spec.parts] == [0.8, None, 0.8]
        assert spec.text == "mixup:0.8+resizemix+cutmix:0.8:prob=0.5"

    @pytest.mark.parametrize(
        ("mix", "alpha", "sentence"),
        [
            ("resizemix+smoothmix", 0.4, "--alpha does not apply to --mix resizemix\\+smoothmix"),
            ("none", 0.4, "--alpha does not apply to --mix none"),
            ("cutmix:minmax=0.2/0.8", 0.4, "--alpha does not apply to --mix cutmix:minmax"),
            ("mixup:0.2", 0.4, "--alpha 0.4 contradicts the strength in --mix mixup:0.2"),
            ("mixup:0.2+cutmix", 0.4, "--alpha 0.4 contradicts the strength in --mix mixup:0.2"),
            ("mixup", -1.0, "--alpha must be 0 or more, not -1"),
            ("mixup", float("nan"), "--alpha must be 0 or more, not nan"),
            ("mixup", float("inf"), "--alpha must be a finite number, not inf"),
        ],
    )
    def test_what_it_contradicts(self, mix, alpha, sentence):
        with pytest.raises(VicinalError, match=sentence):
            parse_mix(mix, alpha)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mixup", "mixup:0.4"),
        ("mixup+cutmix", "mixup:0.4+cutmix:1:switch_prob=0.5"),
        ("mixup:share=0.7+cutmix", "mixup+cutmix:share=0.3"),
        ("mixup:prob=1", "mixup"),
    ],
)
def test_the_same_in_other_words(first, second):
    assert parse_mix(first).meaning() == parse_mix(second).meaning()


@pytest.mark.parametrize("other", ["mixup:0.5", "mixup:prob=0.5", "mixup:mode=batch", "cutmix"])
def test_other_mixes_mean_something_else(other):
    assert parse_mix("mixup").meaning() != parse_mix(other).meaning()


def test_the_end_is_a_share_of_the_training():
    assert parse_mix("mixup:until=0.8").mixing_share(5) == 0.8
    assert parse_mix("mixup:off_epoch=15").mixing_share(20) == 0.75
    assert parse_mix("mixup:off_epoch=0").mixing_share(20) == 1
    for epochs in (15, 3):
        with pytest.raises(VicinalError, match=f"off_epoch=15 is not before the end of {epochs} e"):
            parse_mix("mixup:off_epoch=15").mixing_share(epochs)


class TestTables:
    @pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
    def test_a_setting_is_an_argument_of_its_class_with_its_default(self, method):
        takers = {"mixer": method.mixer, "callback": method.callback_type}
        for setting in method.settings:
            argument = inspect.signature(takers[setting.to]).parameters[setting.name]
            assert argument.default in (setting.default, argument.empty)
        names = [setting.name for setting in method.settings]
        assert not set(names) & {setting.name for setting in OF_THE_WHOLE}
        assert len(settings_of(method)) == len({*settings_of(method)})

    @pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
    def test_a_method_that_chooses_partners_takes_none(self, method):
        takes = "partners" in method.mixer(**_needed(method)).__dict__
        assert takes == (not method.chooses_partners)

    def test_synonyms_stand_for_settings_that_some_method_has(self):
        known = {name for method in METHODS.values() for name in settings_of(method)}
        assert set(SYNONYMS.values()) <= known
        assert not set(SYNONYMS) & known
        assert re.fullmatch("batch, pair, elem", ", ".join(MODES))  # timm's, but for half

    def test_the_page_has_a_row_for_each_setting(self):
        rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)

        def has_row(setting, of, default=None):
            shown = "" if default is None else written(default)
            return any(
                name == setting.name
                and of in where
                and what.startswith(setting.summary)
                and shown in what
                for name, where, what in rows
            )

        assert all(has_row(setting, "") for setting in (*OF_METHODS, *OF_THE_WHOLE))
        for method in METHODS.values():
            for setting in method.settings:
                assert has_row(setting, f"`{method.name}`", setting.default), setting

    def test_every_mix_on_the_page_can_be_typed(self):
        page = PAGE.read_text()
        typed = re.findall(r"`((?:none|mixup|cutmix|fmix|gridmix|manifoldmixup)[:+,][^` ]+)`", page)
        typed += re.findall(r"--mix (\S+?)`?$", page, re.MULTILINE)
        assert len(typed) > 12
        for mixes in typed:
            for mix in mixes.split(","):
                parse_mix(mix)


def _needed(method):
    of_rows = {"counts": [1, 2], "bandwidth": 1.0, "importance": [1, 2], "num_classes": 2}
    needed = {**of_rows, "rate": 8000}
    return {method.learned: needed[method.learned]} if method.learned else {}
