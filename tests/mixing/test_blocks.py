"""Mixes are drawn for several batches at once, without any visible effect but speed."""

import copy
import pickle

import pytest
import torch

from vicinal import Choice, CutMix, FMix, MixLoss, MixUp, ResizeMix, Schedule, rng
from vicinal.mixing import blocks

MIXERS = {
    "MixUp": MixUp,
    "MixUp of one weight": lambda **o: MixUp(per="batch", **o),
    "MixUp in pairs": lambda **o: MixUp(partners="pairs", p=0.5, **o),
    "CutMix": CutMix,
    "CutMix of one box": lambda **o: CutMix(per="batch", p=0.5, **o),
    "ResizeMix": ResizeMix,
    "FMix": FMix,
    "Choice": lambda **o: Choice([MixUp(), CutMix()], [0.4, 0.4], **o),
    "Choice per batch": lambda **o: Choice([MixUp(), FMix()], per="batch", **o),
    "Schedule": lambda **o: Schedule(MixUp(), until=0.5, steps=40, **o),
    "Ramp": lambda **o: Schedule(MixUp(), alpha=(0.1, 1.0), steps=40, **o),
}
every_mixer = pytest.mark.parametrize("make", MIXERS.values(), ids=MIXERS)


def images(count=5):
    return torch.rand(count, 3, 6, 7)


def numbers(mix):
    """All that was drawn."""
    return torch.cat([t.double().flatten() for t in mix.tensors()])


def drawn(mixer, times=1, count=5):
    return [numbers(mixer.draw(images(count))) for _ in range(times)]


def same(first, second):
    return [bool(torch.equal(a, b)) for a, b in zip(first, second, strict=True)]


@every_mixer
@pytest.mark.parametrize("start", [0, 1, 15, 16, 17])
def test_a_state_can_be_restored_at_any_batch(make, start):
    first, second = make(seed=1), make(seed=2)
    drawn(first, start)
    second.load_state_dict(first.state_dict())
    assert second.random.draws == start
    assert all(same(drawn(first, 20), drawn(second, 20)))


@every_mixer
def test_every_batch_has_a_draw_of_its_own(make):
    mixes = drawn(make(seed=0), 20, count=40)
    assert not any(any(same(mixes[i:], mixes[:-i])) for i in range(1, 20))


@every_mixer
def test_a_batch_of_another_size_changes_nothing_for_the_others(make):
    whole, mixed = make(seed=0), make(seed=0)
    expected = drawn(whole, 20)
    found = [drawn(mixed, count=3 if i in (4, 9) else 5)[0] for i in range(20)]
    assert [i for i, alike in enumerate(map(torch.equal, expected, found)) if not alike] == [4, 9]


def test_a_batch_of_another_size_has_numbers_of_its_own():
    """Else the weights of a short batch would be those of samples of another one."""
    mixer = MixUp(seed=0)
    mixes = [mixer.draw(images(count)) for count in (4, 4, 4, 3, 4, 4)]
    weights = torch.cat([mix.weight for mix in mixes])
    assert len(weights.unique()) == len(weights)


@every_mixer
def test_ranks_and_workers_draw_apart_from_the_next_batch_on(make, monkeypatch):
    alone, joined = make(seed=0), make(seed=0)
    first, second = drawn(alone, 3, count=40), drawn(joined, 3, count=40)
    assert all(same(first, second))
    monkeypatch.setattr(rng, "rank_and_world_size", lambda: (1, 2))
    other = drawn(joined, 3, count=40)
    monkeypatch.undo()
    assert not any(same(drawn(alone, 3, count=40), other))


class TestAChange:
    """Attributes may change between two batches."""

    @staticmethod
    def assert_changed(mixer, change):
        mixer.draw(images())
        change()
        weight = mixer.draw(images()).weight
        assert bool((weight == 1).all())

    def test_of_a_mixer(self):
        for mixer in (MixUp(seed=0), CutMix(seed=0)):
            self.assert_changed(mixer, lambda m=mixer: setattr(m, "alpha", 0.0))
            mixer.alpha = 1.0
            self.assert_changed(mixer, lambda m=mixer: setattr(m, "p", 0.0))

    def test_of_a_mixer_in_a_choice(self):
        inner = MixUp(seed=0)
        self.assert_changed(Choice([inner], seed=0), lambda: setattr(inner, "alpha", 0.0))

    def test_of_the_length_of_a_training(self):
        schedule = Schedule(MixUp(), until=0.5, seed=0)
        schedule.begin(steps=100)
        self.assert_changed(schedule, lambda: schedule.begin(steps=2))

    def test_the_parts_of_a_choice_are_immutable(self):
        choice = Choice([MixUp()], [1.0], seed=0)
        with pytest.raises(TypeError):
            choice.mixers[0] = CutMix()
        with pytest.raises(TypeError):
            choice.p[0] = 0.5


def test_what_was_changed_in_a_mix_is_not_drawn_again():
    mixer = MixUp(seed=0)
    state = mixer.state_dict()
    expected = mixer.draw(images()).weight.clone()
    mixer.load_state_dict(state)
    mixer.draw(images()).weight.zero_()
    mixer.load_state_dict(state)
    assert torch.equal(mixer.draw(images()).weight, expected)


def test_a_pickled_mixer_is_small():
    mixer = MixUp(seed=0)
    mixer.draw(torch.empty(4096, 1))
    assert len(pickle.dumps(mixer)) < 2048
    assert all(same(drawn(copy.deepcopy(mixer), 3), drawn(mixer, 3)))


def test_other_mixers_do_not_matter():
    mixers = [MixUp(seed=i) for i in range(6)]
    together = zip(*([drawn(m)[0] for m in mixers] for _ in range(20)), strict=True)
    for i, found in enumerate(together):
        assert all(same(drawn(MixUp(seed=i), 20), found))


@every_mixer
def test_little_is_cached(make):
    one = make(seed=0)
    for count in range(1, 6):
        drawn(one, 40, count=count)
    assert len(one._blocks) <= 2


@pytest.fixture
def blocks_drawn(monkeypatch):
    """The blocks that are drawn from now on, as (mixer, number of the block)."""
    found, draw = [], blocks._draw_block

    def noted(mixer, block, *arguments):
        found.append((mixer, block))
        return draw(mixer, block, *arguments)

    monkeypatch.setattr(blocks, "_draw_block", noted)
    return found


class TestTheCacheIsOfTheMixer:
    """Each block of sixteen is drawn once, whatever other mixers do in between."""

    def test_of_five_mixers_in_turn(self, blocks_drawn):
        mixers = [MixUp(seed=i) for i in range(5)]
        for _ in range(16):
            for mixer in mixers:
                drawn(mixer)
        assert len(blocks_drawn) == 5

    def test_beside_one_whose_strength_changes_at_every_batch(self, blocks_drawn):
        one, ramp = MixUp(seed=0), Schedule(MixUp(), alpha=(0.1, 1.0), steps=16, seed=0)
        for _ in range(16):
            drawn(one), drawn(ramp)
        assert len(blocks_drawn) == 1 + 16

    def test_of_whole_batches_and_a_last_one(self, blocks_drawn):
        mixer = MixUp(seed=0)
        for _ in range(4):
            drawn(mixer, 3)
            drawn(mixer, count=2)
        assert len(blocks_drawn) == 2

    def test_and_not_of_its_copies(self, blocks_drawn):
        mixer = MixUp(seed=0)
        drawn(mixer)
        for copied in (copy.deepcopy(mixer), pickle.loads(pickle.dumps(mixer))):
            assert not copied._blocks
            drawn(copied)
        assert len(blocks_drawn) == 3


def gradient(mixer, times):
    """Through mixing and loss."""
    loss, y = MixLoss(torch.nn.CrossEntropyLoss()), torch.arange(5)
    for _ in range(times):
        x = torch.ones(5, 7, requires_grad=True)
        mixed, target = mixer(x, y)
        loss(mixed, target).backward()
    return x.grad


@pytest.mark.parametrize(
    "inside",
    [
        lambda mixer: torch.inference_mode()(drawn)(mixer),
        lambda mixer: torch.func.grad(lambda x: mixer(x, None)[0].sum())(torch.ones(5, 7)),
        lambda mixer: torch.func.vmap(lambda x: mixer(x, None)[0], randomness="same")(
            torch.ones(2, 5, 7)
        ),
        lambda mixer: torch.func.jvp(
            lambda x: mixer(x, None)[0], (torch.ones(5, 7),), (torch.ones(5, 7),)
        ),
    ],
    ids=["inference mode", "grad", "vmap", "jvp"],
)
def test_draws_inside_a_transform_do_not_affect_later_ones(inside):
    mixer, alone = MixUp(seed=0), MixUp(seed=0)
    inside(mixer)
    drawn(alone, mixer.random.draws)
    assert torch.equal(gradient(mixer, 20), gradient(alone, 20))
