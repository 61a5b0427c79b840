"""Mixers inside of others: each looks at the batch as it would alone, and no option is dropped."""

import copy
import pickle
import threading
import time

import pytest
import torch
from torch import nn

from vicinal import (
    AcrossProcesses,
    BalancedMixUp,
    BetweenClass,
    Choice,
    ClassMix,
    CMixUp,
    ColumnMix,
    CutMix,
    ManifoldMixUp,
    Mix,
    MixUp,
    Remix,
    Schedule,
)
from vicinal.mixing import Blend, Boxes


class LeftHalf(CutMix):
    """The left half of each image is its partner's: by a draw of its own."""

    def draw(self, x, y=None, *, other=None):
        mix = super().draw(x, y, other=other)
        height, width = x.shape[-2:]
        corners = torch.tensor([[0, height, 0, width // 2]]).expand(len(mix.partner), 4)
        box = Boxes(corners, (height, width))
        return Mix(mix.partner, box.weight, (box,))


class Brightest(MixUp):
    """Each sample is mixed half and half with the brightest one: by looking at the pixels."""

    def complete(self, mix, batch):
        (blend,) = mix.patterns
        brightest = batch.x.flatten(1).sum(1).argmax()
        half = blend.lam.new_full(blend.lam.shape, 0.5)
        return Mix(brightest.expand(len(half)), half, (Blend(half),))


class WithoutPatterns(MixUp):
    """A mix may leave its pattern to the weights."""

    def complete(self, mix, batch):
        return Mix(mix.partner, torch.full_like(mix.weight, 0.75))


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 5))


WRAPS = {
    "alone": lambda mixer, **o: mixer,
    "Choice": lambda mixer, **o: Choice([mixer], **o),
    "Choice of Choice": lambda mixer, **o: Choice([Choice([mixer])], **o),
    "Schedule": lambda mixer, **o: Schedule(mixer, steps=9, **o),
    "ManifoldMixUp": lambda mixer, **o: ManifoldMixUp(network(), "0", mixer=mixer, **o),
    "ManifoldMixUp of Schedule": lambda mixer, **o: ManifoldMixUp(
        network(), "0", mixer=Schedule(mixer, steps=9), **o
    ),
}
OUTER = WRAPS | {
    "Schedule of Choice": lambda mixer, **o: Schedule(Choice([mixer]), steps=9, **o),
    "Choice of Schedule": lambda mixer, **o: Choice([Schedule(mixer, steps=9)], **o),
    "ManifoldMixUp of Choice": lambda mixer, **o: ManifoldMixUp(
        network(), "0", mixer=Choice([Choice([mixer])]), **o
    ),
}
every_wrap = pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)


@pytest.fixture
def batch():
    return torch.rand(6, 3, 8, 8), torch.arange(6)


class TestLooking:
    @every_wrap
    def test_a_draw_of_its_own_counts(self, wrap, batch):
        mixer = wrap(LeftHalf(seed=0), seed=0)
        mix = mixer.draw(*batch)
        assert mix.weight.tolist() == [0.5] * 6
        assert mixer(*batch)[1].weight.tolist() == [0.5] * 6
        x = batch[0]
        expected = torch.cat([x[mix.partner][..., :4], x[..., 4:]], -1)
        assert torch.equal(mix(x), expected)

    @every_wrap
    def test_so_does_a_completion(self, wrap, batch):
        x, y = batch
        x[3] += 1
        mix = wrap(Brightest(seed=0), seed=0).draw(x, y)
        assert mix.partner.tolist() == [3] * 6
        assert torch.allclose(mix(x), (x + x[3]) / 2)

    @every_wrap
    def test_and_weights_without_a_pattern(self, wrap, batch):
        x, y = batch
        mix = wrap(WithoutPatterns(seed=0), seed=0).draw(x, y)
        assert mix.weight.tolist() == [0.75] * 6
        assert torch.allclose(mix(x), 0.75 * x + 0.25 * x[mix.partner])

    @every_wrap
    def test_random_numbers_come_from_the_outer_mixer(self, wrap, batch):
        """Also those that an inner one asks for in a draw of its own."""
        inner = LeftHalf()
        first, second = wrap(LeftHalf(seed=0), seed=0), wrap(inner, seed=0)
        if second is not inner:
            assert torch.equal(first.draw(*batch).partner, second.draw(*batch).partner)
            assert inner.random.draws == 0

    @pytest.mark.parametrize("make", [LeftHalf, Brightest])
    def test_each_counts_for_its_own_samples_alone(self, make):
        x = torch.rand(400, 3, 8, 8)
        x[7] += 1
        mix = Choice([MixUp(0.4), make()], [0.3, 0.4], seed=0).draw(x, torch.arange(400))
        plain, own = (pattern.weight < 1 for pattern in mix.patterns)
        assert not bool((plain & own).any())
        # Binomial(400, p), but for a probability below 1e-6.
        assert 75 < int(plain.sum()) < 170
        assert 110 < int(own.sum()) < 210
        assert bool((mix.weight[own] == 0.5).all())
        assert bool((mix.weight[~(plain | own)] == 1).all())
        assert torch.equal(mix(x)[~(plain | own)], x[~(plain | own)])
        if make is Brightest:
            assert bool((mix.partner[own] == 7).all())
            assert len(mix.partner[~own].unique()) > 150

    def test_one_that_has_ended_mixes_nothing(self, batch):
        x, y = batch
        mixer = Schedule(LeftHalf(), until=0.5, steps=4, seed=0)
        weights = [mixer(x, y)[1].weight.tolist() for _ in range(4)]
        assert weights == [[0.5] * 6] * 2 + [[1.0] * 6] * 2

    @pytest.mark.parametrize("wrap", [WRAPS["Choice"], WRAPS["Schedule"]])
    def test_of_halves_and_second_batches_the_partners_are_seen(self, wrap):
        """ClassMix pastes what is in the masks of the partners, wherever these come from."""
        masks = torch.randint(5, (6, 8, 8))
        x, y = masks[:, None].float(), masks
        mixed, target = wrap(ClassMix(half=True), seed=0)(x, y)
        assert mixed.shape == (3, 1, 8, 8)
        assert torch.equal(mixed[:, 0].long(), target)
        other = torch.randint(5, 10, (6, 8, 8))
        mixed, target = wrap(ClassMix(), seed=0)(x, y, other=(other[:, None].float(), other))
        assert torch.equal(mixed[:, 0].long(), target)
        assert 0 < int((target >= 5).sum()) < target.numel()

    def test_several_that_look_at_targets(self):
        """Remix changes the weight of a target, CMixUp the partner."""
        x, y = torch.rand(200, 3), torch.arange(200) % 2
        mixer = Choice([Remix(counts=[900, 100]), Schedule(Remix(counts=[900, 100]), steps=9)])
        target = mixer(x, y)[1]
        meets_rare = target.weight[(target.own == 0) & (target.partner == 1)]
        assert bool(((meets_rare == 0) | (meets_rare >= 0.5)).all())
        assert bool((meets_rare == 0).any())

    def test_in_a_step_that_is_compiled(self, batch):
        for make in (LeftHalf, Brightest):
            compiled, eager = (Choice([MixUp(), make()], seed=0) for _ in range(2))
            call = torch.compile(compiled.__call__, fullgraph=True, backend="aot_eager")
            for _ in range(2):
                (x, y), (expected, target) = call(*batch), eager(*batch)
                assert torch.equal(y.weight, target.weight)
                assert torch.equal(y.partner, target.partner)
                assert torch.allclose(x, expected)

    def test_a_call_of_its_own_would_be_passed_over(self):
        class Loud(MixUp):
            def __call__(self, x, y, *, other=None, inplace=False):
                return super().__call__(2 * x, y, other=other, inplace=inplace)

        for wrap in list(WRAPS.values())[1:]:
            with pytest.raises(TypeError, match=r"Loud overrides __call__, which a \w+ does"):
                wrap(Loud())

    def test_a_batch_that_is_rejected_uses_up_no_draw(self, batch):
        for wrap in WRAPS.values():
            mixer = wrap(CMixUp(1.0), seed=0)
            with pytest.raises(TypeError, match="one tensor of floats"):
                mixer.draw(*batch)
            assert mixer.random.draws == 0


class TestOptions:
    """What is given to an inner mixer holds for the outer one, or contradicts it."""

    @pytest.mark.parametrize("wrap", [WRAPS["Choice"], WRAPS["Schedule"], WRAPS["ManifoldMixUp"]])
    def test_are_adopted(self, wrap):
        mixer = wrap(MixUp(fields="a", integers="leave", maximum="length", pixelwise=True, seed=3))
        assert mixer.fields == ("a",)
        assert mixer.integers == "leave"
        assert mixer.maximum == ("length",)
        assert mixer.pixelwise is True
        assert mixer.random.seed == 3
        assert wrap(MixUp(partners="pairs")).partners == "pairs"

    @pytest.mark.parametrize("wrap", [WRAPS["Choice"], WRAPS["Schedule"]])
    def test_lengths_are_not_blended_and_the_rest_is_left(self, wrap):
        x = {
            "image": torch.rand(6, 2),
            "length": torch.tensor([1, 9, 2, 8, 3, 7]),
            "age": torch.rand(6),
        }
        mixer = wrap(MixUp(float("inf"), fields="image", maximum="length", seed=0))
        mix = mixer.draw(x)
        mixed, _ = mixer(x, None)
        assert torch.equal(mixed["age"], x["age"])
        mixer.load_state_dict({"seed": 0, "draws": 0})
        mixed, target = mixer(x, torch.arange(6))
        assert torch.equal(mixed["length"], torch.maximum(x["length"], x["length"][target.partner]))
        assert mix.weight.tolist() == [0.5] * 6

    @pytest.mark.parametrize("wrap", [WRAPS["Choice"], WRAPS["Schedule"]])
    def test_half_halves(self, wrap):
        x, y = wrap(MixUp(half=True))(torch.rand(6, 2), torch.arange(6))
        assert (len(x), len(y)) == (3, 3)

    def test_inside_of_a_model_half_is_rejected(self):
        with pytest.raises(ValueError, match="ManifoldMixUp cannot mix half a batch"):
            WRAPS["ManifoldMixUp"](MixUp(half=True))

    @pytest.mark.parametrize(
        ("make", "named"),
        [
            (lambda: Choice([MixUp(fields="a"), CutMix()]), "fields"),
            (lambda: Choice([MixUp(), CutMix(partners="pairs")]), "partners"),
            (lambda: Choice([MixUp(maximum="a"), CutMix(maximum="b")]), "maximum"),
            (lambda: Choice([MixUp(integers="leave"), CutMix(integers="paste")]), "integers"),
            (lambda: Choice([MixUp(fields="a")], fields="b"), "fields"),
            (lambda: Schedule(MixUp(partners="pairs"), partners="cycle"), "partners"),
            (lambda: Schedule(MixUp(half=True), half=False), "half"),
            (lambda: Choice([MixUp(), CutMix(pixelwise=True)]), "pixelwise"),
        ],
    )
    def test_that_contradict_are_named(self, make, named):
        with pytest.raises(ValueError, match=rf"has {named}=.* give {named}= to the \w+ alone"):
            make()

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Choice([MixUp(seed=1), CutMix(seed=2)]),
            lambda: Schedule(MixUp(seed=1), seed=2),
            lambda: WRAPS["ManifoldMixUp"](MixUp(seed=1), seed=2),
        ],
    )
    def test_of_two_seeds_one_would_not_be_used(self, make):
        with pytest.raises(ValueError, match="the seeds 1, 2 contradict each other"):
            make()

    def test_the_same_twice_is_no_contradiction(self):
        mixers = [MixUp(fields="a", seed=1), CutMix(fields=["a"], seed=1)]
        assert Choice(mixers, fields=("a",), seed=1).fields == ("a",)

    def test_columns_are_pasted_beside_a_method_with_the_default_for_integers(self):
        mixer = Choice([ColumnMix(), MixUp()], seed=0)
        assert mixer.integers == "paste"

    def test_a_mixer_that_chooses_partners_has_no_option_for_them(self):
        assert Choice([MixUp(), CMixUp(1.0)]).partners == "cycle"
        assert Choice([MixUp(partners="shuffle"), CMixUp(1.0)]).partners == "shuffle"


#: For each option a value that is not its default, and a third one that contradicts it.
OPTIONS = {
    "partners": ("shuffle", "reverse"),
    "half": (True, False),
    "fields": (("image",), ("other",)),
    "integers": ("leave", "paste"),
    "maximum": (("length",), ("other",)),
    "pixelwise": (True, False),
    "seed": (3, 4),
}


def value_of(mixer, option):
    return mixer.random.seed if option == "seed" else getattr(mixer, option)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", [name for name in OUTER if name != "alone"])
class TestEveryOptionInEveryWrapper:
    """Of an inner mixer, however deep: adopted, or rejected, and never dropped."""

    def test_it_is_adopted(self, name, option):
        wrap, (value, _) = OUTER[name], OPTIONS[option]
        inner = MixUp(**{option: value})
        if option == "half" and name.startswith("ManifoldMixUp"):
            with pytest.raises(ValueError, match="ManifoldMixUp cannot mix half a batch"):
                wrap(inner)
        else:
            assert value_of(wrap(inner), option) == value

    def test_it_may_be_repeated(self, name, option):
        wrap, (value, _) = OUTER[name], OPTIONS[option]
        if option == "half" and name.startswith("ManifoldMixUp"):
            return
        assert value_of(wrap(MixUp(**{option: value}), **{option: value}), option) == value

    def test_it_is_not_contradicted(self, name, option):
        wrap, (value, other) = OUTER[name], OPTIONS[option]
        with pytest.raises(ValueError, match=rf"give {option}= to the \w+ alone"):
            wrap(MixUp(**{option: value}), **{option: other})

    def test_two_inner_ones_do_not_contradict(self, name, option):
        wrap, (value, other) = OUTER[name], OPTIONS[option]
        with pytest.raises(ValueError, match=rf"give {option}= to the Choice alone"):
            wrap(Choice([MixUp(**{option: value}), CutMix(**{option: other})]))

    def test_it_is_not_set_later(self, name, option):
        if option == "seed":
            return
        wrap, (value, _) = OUTER[name], OPTIONS[option]
        mixer = wrap(MixUp())
        x = torch.rand(6, 2)
        mixer.draw(x)
        setattr(mixer.nested()[-1], option, value)
        with pytest.raises(ValueError, match=rf"{option} of MixUp\(.* was set after .* set it on"):
            mixer.draw(x)


class TestWhatIsSetLater:
    def test_a_schedules_mixer_is_a_copy(self):
        mixer = MixUp(0.4)
        schedule = Schedule(mixer, steps=9, seed=0)
        mixer.alpha = 2.0
        with pytest.raises(ValueError, match=r"MixUp\(alpha=2.* was changed after .* copy"):
            schedule.draw(torch.rand(6, 2))

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_copies_remember_it(self, copied):
        mixer = copied(Choice([Schedule(MixUp(), steps=9)]))
        mixer.draw(torch.rand(6, 2))
        mixer.mixers[0].mixer.fields = ("image",)
        with pytest.raises(ValueError, match="fields of MixUp"):
            mixer.draw(torch.rand(6, 2))

    @pytest.mark.parametrize("wrap", [WRAPS["Choice"], WRAPS["Schedule"]])
    def test_the_methods_own_options_count(self, wrap):
        x, y = torch.rand(6, 800), torch.arange(6)
        inner = BetweenClass(rate=800)
        mixer = wrap(inner)
        inner = mixer.nested()[-1]
        inner.rate = 8000
        assert mixer.draw(x).patterns[0].rate == 8000
        inner.p = 0.0
        assert torch.equal(mixer(x, y)[0], x)

    def test_a_schedules_own_options_count(self):
        schedule = Schedule(MixUp(float("inf")), steps=2, seed=0)
        schedule.steps = 4
        weights = [float(schedule.draw(torch.rand(6, 2)).weight[0]) for _ in range(6)]
        assert weights == [0.5] * 4 + [1.0] * 2
        schedule = Schedule(MixUp(), steps=20, seed=0)
        schedule.alpha = (0.0, 1.0)
        assert [bool((schedule.draw(torch.rand(6, 2)).weight < 1).any()) for _ in range(2)] == [
            False,
            True,
        ]


class TestPairs:
    """Two samples that are each other's partner, beside methods that choose partners themselves."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Choice([Choice([CMixUp(1.0)]), MixUp(partners="pairs")]),
            lambda: Choice([Schedule(CMixUp(1.0)), Choice([MixUp(partners="pairs")])]),
            lambda: Schedule(Choice([CMixUp(1.0)]), partners="pairs"),
            lambda: ManifoldMixUp(network(), "0", mixer=Choice([CMixUp(1.0)]), partners="pairs"),
        ],
    )
    def test_the_sentence_names_who_chooses(self, make):
        with pytest.raises(ValueError, match=r"^CMixUp\(.* chooses the partners itself, so a "):
            make()

    def test_a_default_is_called_so(self):
        with pytest.raises(ValueError, match=r"has partners='cycle', its default, and another one"):
            Choice([Choice([MixUp()]), MixUp(partners="pairs")])


class Halves(Choice):
    """A wrapper of one's own, with a completion of its own."""

    def complete(self, mix, batch):
        mix = super().complete(mix, batch)
        half = torch.full_like(mix.weight, 0.5)
        return Mix(mix.partner, half, (Blend(half),))


class TestWrappersOfOnesOwn:
    @pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
    def test_complete_what_they_draw(self, wrap, batch):
        mix = wrap(Halves([MixUp()]), seed=0).draw(*batch)
        assert mix.weight.tolist() == [0.5] * 6

    @pytest.mark.parametrize(
        ("wrapper", "options"),
        [
            (Choice, {"mixers": [MixUp()]}),
            (Schedule, {"mixer": MixUp(), "steps": 9}),
            (ManifoldMixUp, {"model": network(), "layers": "0", "mixer": MixUp()}),
            (AcrossProcesses, {"mixer": MixUp()}),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_any_of_them_may_complete(self, wrapper, options, batch):
        class Third(wrapper):
            def complete(self, mix, batch):
                third = torch.full_like(super().complete(mix, batch).weight, 1 / 3)
                return Mix(mix.partner, third, (Blend(third),))

        assert Third(**options, seed=0).draw(*batch).weight.tolist() == [pytest.approx(1 / 3)] * 6

    def test_see_the_partners_of_a_half(self):
        class Partners(Halves):
            def complete(self, mix, batch):
                found.append(batch.partners(mix)[1].tolist())
                return super().complete(mix, batch)

        found = []
        Partners([MixUp()], half=True)(torch.rand(6, 2), torch.arange(6))
        assert found == [[3, 4, 5]]


class TestWhatCannotBeMixedSo:
    def test_partners_of_all_classes_are_not_those_of_the_second_half(self):
        mixer = Choice([BalancedMixUp(1.0)], half=True)
        with pytest.raises(ValueError, match="give it no second batch and no half"):
            mixer(torch.rand(8, 2), torch.tensor([0] * 7 + [1]))

    @pytest.mark.parametrize("make", [lambda: CMixUp(1.0), BalancedMixUp])
    def test_partners_by_the_targets_are_no_pairs(self, make):
        with pytest.raises(ValueError, match="chooses the partners itself, so a Choice"):
            Choice([make()], partners="pairs")

    @pytest.mark.parametrize("wrap", [WRAPS["Choice"], WRAPS["Schedule"]])
    def test_a_draw_of_ones_own_in_a_half(self, wrap, batch):
        with pytest.raises(ValueError, match=r"LeftHalf overrides draw\(\), which would get half"):
            wrap(LeftHalf(), half=True)(*batch)


def test_threads_that_draw_with_one_mixer_get_mixes_of_their_own():
    class Slow(CutMix):
        def draw(self, x, y=None, *, other=None):
            time.sleep(0.002)
            return super().draw(x, y, other=other)

        def complete(self, mix, batch):
            seen.append((threading.get_ident(), len(batch.x), len(mix.partner)))
            return mix

    def draw(count):
        for _ in range(20):
            assert len(mixer.draw(torch.rand(count, 3, 8, 8)).partner) == count
        counts[threading.get_ident()] = count

    mixer, seen, counts = Choice([Slow()], seed=0), [], {}
    threads = [threading.Thread(target=draw, args=(count,)) for count in (4, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40
    assert all(counts[ident] == batch == drawn for ident, batch, drawn in seen)


@pytest.mark.parametrize(
    ("mixer", "batch"),
    [
        (MixUp(seed=0), (torch.arange(6), torch.arange(6))),
        (MixUp(seed=0), (torch.rand(6, 2), MixUp()(torch.rand(6, 2), torch.arange(6))[1])),
        (Schedule(MixUp(), seed=0), (torch.rand(6, 2), torch.arange(6))),
        (Remix([3, 3], seed=0), (torch.rand(6, 2), torch.rand(6))),
    ],
)
def test_a_call_that_fails_uses_up_no_draw(mixer, batch):
    with pytest.raises((TypeError, ValueError)):
        mixer(*batch)
    assert mixer.random.draws == 0
