"""Schedule: strength over the training, and its end."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vicinal import Choice, CutMix, DataLoaders, Learner, MixUp, Schedule
from vicinal.learner.events import Callback


def rows(count=4):
    return torch.empty(count, 1)


def alphas(schedule, steps):
    """The strength of each batch, or None where nothing is mixed."""
    found = []
    for _ in range(steps):
        weight = schedule.draw(rows(16)).weight
        found.append(schedule.mixer.alpha if bool((weight < 1).any()) else None)
    return found


@pytest.mark.parametrize(("first", "last"), [(0.5, 2.5), (2.5, 0.5), (1.0, 1.0)])
def test_alpha_goes_straight_from_the_first_to_the_last_batch(first, last):
    found = alphas(Schedule(MixUp(), alpha=(first, last), steps=9, seed=0), 9)
    assert found == pytest.approx([first + (last - first) * i / 8 for i in range(9)])


def test_alpha_reaches_its_last_value_when_mixing_ends():
    schedule = Schedule(MixUp(), alpha=(0.5, 2.5), until=0.5, steps=10, seed=0)
    assert alphas(schedule, 10) == [0.5, 1.0, 1.5, 2.0, 2.5] + [None] * 5


@settings(deadline=None)
@given(until=st.floats(0, 1), steps=st.integers(1, 60))
def test_nothing_is_mixed_after_until(until, steps):
    schedule = Schedule(MixUp(float("inf")), until=until, steps=steps, seed=0)
    mixed = [bool((schedule.draw(rows()).weight < 1).all()) for _ in range(steps + 3)]
    assert mixed == sorted(mixed, reverse=True)
    assert until * steps - 1e-6 <= sum(mixed) < until * steps + 1


@pytest.mark.parametrize("until", [0.07, 0.14, 0.28, 0.55, 0.56, 0.57, 0.58])
def test_a_share_of_hundred_is_that_number(until):
    schedule = Schedule(MixUp(float("inf")), until=until, steps=100, seed=0)
    assert sum(bool(schedule.draw(rows()).weight[0] < 1) for _ in range(100)) == round(100 * until)


@pytest.mark.parametrize("mixer", [MixUp(), CutMix()])
def test_what_is_not_mixed_stays_as_it_is(mixer):
    schedule = Schedule(mixer, until=0, steps=10, seed=0)
    x, y = torch.rand(4, 3, 8, 8), torch.arange(4)
    mixed, target = schedule(x, y)
    assert torch.equal(mixed, x)
    assert torch.equal(target.weight, torch.ones(4))


@pytest.mark.parametrize("mixer", [MixUp(), CutMix()])
def test_beginning_with_alpha_zero(mixer):
    schedule = Schedule(mixer, alpha=(0, 1), steps=3, seed=0)
    weights = [schedule.draw(torch.empty(32, 3, 8, 8)).weight for _ in range(3)]
    assert [bool((w < 1).any()) for w in weights] == [False, True, True]


def test_without_an_alpha_the_mixer_is_as_it_was():
    schedule, alone = Schedule(MixUp(0.3), steps=5, seed=3), MixUp(0.3, seed=3)
    for _ in range(5):
        scheduled, expected = schedule.draw(rows()), alone.draw(rows())
        assert torch.equal(scheduled.weight, expected.weight)
        assert torch.equal(scheduled.partner, expected.partner)


def test_the_users_mixer_is_not_touched():
    mixer = MixUp(0.3, seed=7)
    schedule = Schedule(mixer, alpha=(1, 2), steps=5)
    alphas(schedule, 5)
    assert mixer.alpha == 0.3
    assert mixer.random.draws == 0
    assert torch.equal(mixer.draw(rows()).weight, MixUp(0.3, seed=7).draw(rows()).weight)


def test_one_step():
    assert alphas(Schedule(MixUp(), alpha=(0.5, 2.5), steps=1, seed=0), 2) == [0.5, None]


class TestBegin:
    """Without a number of steps, the trainer sets it."""

    def test_it_starts_at_the_given_step(self):
        schedule = Schedule(MixUp(), alpha=(0.5, 2.5), seed=0)
        schedule.begin(5)
        assert alphas(schedule, 6) == [0.5, 1.0, 1.5, 2.0, 2.5, None]
        schedule.begin(3, at=6)
        assert alphas(schedule, 4) == [0.5, 1.5, 2.5, None]

    def test_given_steps_hold(self):
        schedule = Schedule(MixUp(), alpha=(0.5, 2.5), steps=5, seed=0)
        schedule.begin(100, at=50)
        assert alphas(schedule, 6) == [0.5, 1.0, 1.5, 2.0, 2.5, None]

    def test_before_its_start_it_is_as_at_its_start(self):
        schedule = Schedule(MixUp(), alpha=(0.5, 2.5), seed=0)
        schedule.begin(5, at=100)
        assert alphas(schedule, 2) == [0.5, 0.5]

    def test_without_any(self):
        with pytest.raises(
            ValueError, match="does not know the length of the training: give it ste"
        ):
            Schedule(MixUp())(torch.rand(4, 3), torch.arange(4))


class TestState:
    def test_it_continues_from_a_state(self):
        schedule = Schedule(MixUp(), alpha=(0.5, 2.5), until=0.8, steps=10, seed=0)
        alphas(schedule, 4)
        state = schedule.state_dict()
        assert state == {"seed": 0, "draws": 4}
        later = Schedule(MixUp(), alpha=(0.5, 2.5), until=0.8, steps=10, seed=99)
        later.load_state_dict(state)
        for _ in range(6):
            expected, found = schedule.draw(rows()), later.draw(rows())
            assert torch.equal(found.weight, expected.weight)
            assert torch.equal(found.partner, expected.partner)

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_copies_go_on_for_themselves(self, copied):
        schedule = Schedule(MixUp(), alpha=(0.5, 2.5), seed=0)
        schedule.begin(9)
        alphas(schedule, 4)
        twin = copied(schedule)
        assert alphas(schedule, 5) == alphas(twin, 5) == [1.5, 1.75, 2.0, 2.25, 2.5]


class TestNesting:
    def test_a_schedule_of_a_choice(self):
        schedule = Schedule(Choice([MixUp(), CutMix()]), until=0.5, steps=4, seed=0)
        x = torch.empty(32, 3, 8, 8)
        assert [bool((schedule.draw(x).weight < 1).any()) for _ in range(4)] == [1, 1, 0, 0]

    def test_the_mixers_inside_of_a_choice_have_schedules_of_their_own(self):
        inner = [Schedule(MixUp(), alpha=(i, i + 4.0), steps=5) for i in (1.0, 2.0)]
        choice = Choice(inner, seed=0)
        for _ in range(3):
            choice.draw(rows())
        assert [schedule.mixer.alpha for schedule in inner] == [3.0, 4.0]

    def test_a_schedule_of_a_schedule(self):
        """The inner one sets the ramp, the outer one the end."""
        inner = Schedule(MixUp(), alpha=(0.5, 2.5), steps=5)
        outer = Schedule(inner, until=0.5, steps=4, seed=0)
        found = []
        for _ in range(4):
            mixed = bool((outer.draw(rows(16)).weight < 1).any())
            found.append(outer.mixer.mixer.alpha if mixed else None)
        assert found == [0.5, 1.0, None, None]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mixer": MixUp}, TypeError, r"draws with mixers such as MixUp\(\), not with .*<class"),
        ({"until": 1.5}, ValueError, "until must be between 0 and 1, not 1.5"),
        ({"until": "end"}, TypeError, "until must be a number, not 'end'"),
        ({"alpha": 0.4}, TypeError, "alpha must be two numbers, not 0.4"),
        ({"alpha": (0.1, 0.2, 0.3)}, TypeError, "alpha must be two numbers"),
        ({"alpha": (0.1, -0.2)}, ValueError, "alpha must be 0 or more, not -0.2"),
        ({"alpha": (0.1, None)}, TypeError, "alpha must be a number, not None"),
        ({"steps": 0}, ValueError, "steps must be 1 or more, not 0"),
        ({"steps": -3}, ValueError, "steps must be 1 or more, not -3"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number, not 2.5"),
        ({"steps": "9"}, TypeError, "steps must be a whole number, not '9'"),
        ({"steps": True}, TypeError, "steps must be a whole number, not True"),
        ({"step": 9}, TypeError, "step"),
        ({"per": "batch"}, TypeError, "per"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        Schedule(**{"mixer": MixUp(), **arguments})


@pytest.mark.parametrize(
    "mixer", [Choice([MixUp()]), Schedule(MixUp()), Schedule(MixUp(), alpha=(0, 1))]
)
def test_a_mixer_without_an_alpha_is_rejected(mixer):
    with pytest.raises(ValueError, match="has no alpha to change: schedule the mixers inside"):
        Schedule(mixer, alpha=(0, 1))


class Watch(Callback):
    """What the mixer's copy had as alpha, batch by batch; None for what was not mixed."""

    order = 60  # right after the mixing

    def __init__(self, schedule):
        self.schedule, self.seen = schedule, []

    def before_batch(self, learn):
        if learn.training:
            mixed = bool((learn.y.weight < 1).any())
            self.seen.append(self.schedule.mixer.alpha if mixed else None)


class TestLearner:
    """A real training of 5 batches an epoch."""

    @pytest.fixture
    def learner(self):
        def learner(mixer):
            x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
            y = (x.sum(1) > 0).long()
            dls = DataLoaders.from_tensors(x[:50], y[:50], x[50:], y[50:], bs=10, device="cpu")
            return Learner(dls, nn.Linear(2, 2), cbs=mixer)

        return learner

    def test_it_sets_the_length_of_the_training(self, learner):
        mixer = MixUp(0.3)
        schedule = Schedule(mixer, alpha=(1, 8), until=0.8, seed=0)
        watch = Watch(schedule)
        learner(schedule).fit(2, cbs=watch)
        assert watch.seen == [1, 2, 3, 4, 5, 6, 7, 8, None, None]
        assert mixer.alpha == 0.3

    def test_every_training_runs_its_own(self, learner):
        schedule = Schedule(MixUp(), alpha=(1, 5), seed=0)
        watch = Watch(schedule)
        learn = learner(schedule)
        learn.fit(1, cbs=watch)
        learn.fit_one_cycle(1, cbs=watch)
        learn.fit(2, cbs=watch)
        assert watch.seen == pytest.approx([1, 2, 3, 4, 5] * 2 + [1 + 4 * i / 9 for i in range(10)])

    def test_inside_of_a_choice(self, learner):
        schedule = Schedule(MixUp(), alpha=(1, 5))
        watch = Watch(schedule)
        learn = learner(Choice([schedule], seed=0))
        for _ in range(2):
            learn.fit(1, cbs=watch)
        assert watch.seen == [1, 2, 3, 4, 5] * 2

    def test_given_steps_go_over_several_trainings(self, learner):
        schedule = Schedule(MixUp(), alpha=(1, 10), steps=10, seed=0)
        watch = Watch(schedule)
        learn = learner(schedule)
        for _ in range(3):
            learn.fit(1, cbs=watch)
        assert watch.seen == [*range(1, 11), *[None] * 5]


def test_a_mix_that_cannot_be_drawn_uses_up_no_draw():
    schedule = Schedule(MixUp(), seed=0)  # nobody says how long the training is
    for draw in (schedule.draw, lambda x: schedule(x, torch.arange(4))):
        with pytest.raises(ValueError, match="does not know the length of the training"):
            draw(torch.rand(4, 3))
    assert schedule.random.count == 0
