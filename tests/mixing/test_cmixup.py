"""CMixUp: near partners, in the batch and in a pool.

Each statistical test raises a false alarm with a probability of 1e-6 at most; seeds are fixed, so
it has been passed once and for all.
"""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import Choice, CMixUp, ManifoldMixUp, Mix, MixUp, Schedule, rng
from vicinal.mixing.chosen import choose

from .implementations import using

FALSE_ALARM = 1e-6
VALUES = torch.tensor([0.0, 0.4, 1.0, 1.1, 3.0, 8.0])


def shares(y, others, bandwidth):
    """Equation (6), in float64, from the definition."""
    y, others = (np.asarray(t, dtype=np.float64).reshape(len(t), -1) for t in (y, others))
    squares = ((y[:, None] - others[None]) ** 2).sum(-1)
    return np.exp(-squares / (2 * bandwidth**2))


def assert_frequencies(met, expected, parts):
    """Partners are as frequent as their probabilities, by a chi² test; rare ones are pooled."""
    counts = np.bincount(met, minlength=len(expected))
    expected = len(met) * expected / expected.sum()
    assert counts[expected == 0].sum() == 0
    rare = expected < 20
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < 20:  # too few for chi²: they are bounded alone, and do not weigh on it
        assert stats.binom.sf(counts[-1] - 1, len(met), expected[-1] / len(met)) > FALSE_ALARM
        counts, expected = counts[:-1], expected[:-1] * counts[:-1].sum() / expected[:-1].sum()
    if len(counts) > 1:
        assert stats.chisquare(counts, expected).pvalue > FALSE_ALARM / parts


class TestPartners:
    @pytest.mark.parametrize("bandwidth", [0.3, 1.0, 5.0])
    @pytest.mark.parametrize("per", ["sample", "batch"])
    def test_of_the_batch_follow_equation_6_without_fixed_points(self, per, bandwidth):
        mixer, x = CMixUp(bandwidth, per=per, seed=0), torch.empty(len(VALUES), 1)
        met = np.stack([mixer.draw(x, VALUES).partner.numpy() for _ in range(3000)])
        expected = shares(VALUES, VALUES, bandwidth)
        np.fill_diagonal(expected, 0)
        for row, one in zip(met.T, expected, strict=True):
            assert_frequencies(row, one, parts=len(VALUES))

    def test_of_the_pool_are_drawn_by_equation_6(self):
        pool = torch.linspace(-1, 4, 9)[:, None].expand(9, 2) * torch.tensor([1.0, -0.5])
        mixer = CMixUp(0.8, pool=(torch.arange(9.0), pool), seed=1)
        x, y = torch.zeros(3), torch.tensor([[0.0, 0.0], [3.5, -1.0], [-9.0, 4.0]])
        met = np.stack([mixer.draw(x, y).partner.numpy() for _ in range(3000)])
        for row, expected in zip(met.T, shares(y, pool, 0.8), strict=True):
            assert_frequencies(row, expected, parts=3)

    def test_neighbours_in_a_batch_choose_for_themselves(self):
        mixer, y = CMixUp(1.0, seed=2), torch.zeros(3)
        met = np.stack([mixer.draw(y, y).partner.numpy() for _ in range(4000)])
        # Each of three takes one of two: all eight ways are equally likely.
        assert_frequencies(((met - np.arange(3)) % 3 - 1) @ [1, 2, 4], np.ones(8), parts=1)

    @settings(deadline=None)
    @given(
        values=st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=12, unique=True),
        bandwidth=st.sampled_from([1e-38, 1e-12, 1e-4]),
        seed=st.integers(0, 2**31),
    )
    def test_a_tiny_bandwidth_finds_a_nearest(self, values, bandwidth, seed):
        y = torch.tensor(values, dtype=torch.float64)
        partner = CMixUp(bandwidth, seed=seed).draw(y, y).partner
        distance = (y[:, None] - y).abs().fill_diagonal_(torch.inf)
        found = distance.gather(1, partner[:, None])[:, 0]
        assert torch.equal(found, distance.amin(1))

    @pytest.mark.parametrize("bandwidth", [1e-30, 1.0, 1e30])
    def test_of_equal_targets_all_others_are_alike(self, bandwidth):
        mixer, y = CMixUp(bandwidth, seed=3), torch.full((4,), 7.0)
        met = np.concatenate([mixer.draw(y, y).partner.numpy()[:1] for _ in range(1500)])
        assert_frequencies(met, np.array([0.0, 1, 1, 1]), parts=1)

    def test_near_values_far_from_0_are_distinguished(self):
        y = 1e6 + torch.tensor([0.0, 1.0, 3.0, 5.0]).repeat_interleave(10)
        y[::2] += 0.25
        partner = CMixUp(0.05, seed=0).draw(y, y).partner
        assert torch.equal(y[partner], y)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_targets_of_every_float_dtype(self, dtype):
        expected = CMixUp(1.0, seed=0).draw(VALUES, VALUES.to(dtype).float()).partner
        assert torch.equal(CMixUp(1.0, seed=0).draw(VALUES, VALUES.to(dtype)).partner, expected)

    def test_one_sample_meets_itself(self):
        x, y = CMixUp(1.0, seed=0)(torch.ones(1, 2), torch.tensor([3.0]))
        assert torch.equal(x, torch.ones(1, 2))
        assert y.dense().tolist() == [3.0]

    def test_an_empty_batch_stays_empty(self):
        x, y = CMixUp(1.0)(torch.ones(0, 2), torch.ones(0))
        assert (len(x), len(y)) == (0, 0)

    def test_a_target_that_is_no_number_leads_to_no_row_outside(self):
        y = torch.tensor([1.0, torch.nan, 2.0, torch.inf])
        partner = CMixUp(1.0, seed=0).draw(y, y).partner
        assert bool(((partner >= 0) & (partner < 4)).all())


class TestChoose:
    @settings(deadline=None)
    @given(
        log_probs=st.lists(
            st.sampled_from([-torch.inf, -1e30, -200.0, -3.0, 0.0, 5.0]), min_size=1, max_size=9
        ).filter(lambda row: max(row) > -1e30),
        uniform=st.sampled_from([0.0, 1e-9, 0.3, 0.99999, 1 - 2**-24]),
        dtype=st.sampled_from([torch.float32, torch.float64]),
    )
    def test_what_is_impossible_is_not_chosen(self, log_probs, uniform, dtype):
        row = torch.tensor(log_probs, dtype=dtype)
        (column,) = choose(row, torch.tensor([uniform])).tolist()
        assert row.softmax(0)[column] > 0
        assert choose(row[None], torch.tensor([uniform])).tolist() == [column]

    def test_choices_follow_the_probabilities(self):
        uniform = (torch.arange(1000) + 0.5) / 1000
        row = torch.tensor([0.25, 0.0, 0.7, 0.05]).log()
        counts = choose(row, uniform).bincount(minlength=4)
        assert (counts - torch.tensor([250, 0, 700, 50])).abs().max() <= 1
        assert torch.equal(choose(row.expand(1000, 4) + 3.0, uniform).bincount(), counts)


class TestApplying:
    @pytest.mark.parametrize("implementation", ["compiled", "row by row", "whole batch"])
    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.uint8])
    def test_it_is_the_formula_though_partners_repeat(self, implementation, inplace, dtype):
        x = (torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 9).to(dtype)
        y = torch.tensor([0.0, 0.1, 5.0, 5.1, 5.2, 9.0])
        mix = CMixUp(0.5, seed=0).draw(x, y)
        assert len(mix.partner.unique()) < 6
        w = mix.weight.double().view(-1, 1, 1, 1)
        expected = w * x.double() + (1 - w) * x[mix.partner].double()
        given = x.clone().to(
            memory_format=torch.channels_last if implementation == "row by row" else None
        )
        with using(implementation):
            mixed, target = CMixUp(0.5, seed=0)(given, y, inplace=inplace)
        tolerance = 0.5 if dtype == torch.uint8 else 10 * torch.finfo(dtype).eps * 9
        assert torch.allclose(mixed.double(), expected, rtol=0, atol=tolerance + 1e-6)
        assert (mixed is given) == inplace
        assert torch.equal(target.partner, y[mix.partner])

    def test_values_and_samples_are_blended_by_one_weight(self):
        y = torch.randn(32, generator=torch.Generator().manual_seed(0))
        mixed, target = CMixUp(0.3, seed=0)(y.clone(), y)
        assert torch.allclose(mixed, target.dense(), atol=1e-6)

    def test_weights_are_those_of_mixup_not_folded(self):
        x = torch.empty(5000)
        weight = CMixUp(1.0, alpha=2.0, seed=0).draw(x, x).weight.double().numpy()
        assert stats.kstest(weight, stats.beta(2, 2).cdf).pvalue > FALSE_ALARM
        one = CMixUp(1.0, per="batch", seed=0).draw(x, x).weight
        assert len(one.unique()) == 1
        assert bool((CMixUp(1.0, alpha=0, seed=0).draw(x, x).weight == 1).all())

    def test_p_is_the_share_of_samples_that_are_mixed(self):
        weight = CMixUp(1.0, p=0.3, seed=0).draw(torch.empty(5000), torch.rand(5000)).weight
        assert stats.binomtest(int((weight < 1).sum()), 5000, 0.3).pvalue > FALSE_ALARM

    def test_nested_batches_keep_their_fields(self):
        x = {"numbers": torch.rand(4, 2), "codes": torch.arange(4)}
        mixed, _ = CMixUp(1.0, fields="numbers", seed=0)(x, torch.rand(4))
        assert torch.equal(mixed["codes"], x["codes"])
        assert not torch.equal(mixed["numbers"], x["numbers"])

    @pytest.mark.parametrize("pooled", [False, True])
    def test_it_compiles_to_the_same_numbers(self, pooled):
        pool = (torch.rand(20, 2), torch.rand(20)) if pooled else None
        compiled, eager = (CMixUp(0.2, pool=pool, seed=0) for _ in range(2))
        call = torch.compile(lambda x, y: compiled(x, y), fullgraph=True, backend="aot_eager")
        for _ in range(2):
            x, y = torch.rand(6, 2), torch.rand(6)
            (mixed, target), (expected, other) = call(x, y), eager(x, y)
            assert torch.allclose(mixed, expected)
            assert torch.equal(target.partner, other.partner)
            assert torch.equal(target.weight, other.weight)


class TestPool:
    def test_partners_come_from_it_with_their_targets(self):
        x, y = torch.rand(5, 2), torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
        pool = {"a": 10 + torch.rand(50, 2)}, torch.rand(50) * 4
        mixer, again = (CMixUp(0.1, pool=pool, seed=0) for _ in range(2))
        before = x.clone()
        mixed, target = mixer({"a": x}, y)
        mix = again.draw({"a": x}, y)
        others, values = mix.other
        assert torch.equal(others["a"], pool[0]["a"][mix.partner])
        assert torch.equal(values, pool[1][mix.partner])
        w = mix.weight[:, None]
        assert torch.allclose(mixed["a"], w * x + (1 - w) * others["a"], atol=1e-5)
        assert torch.equal(x, before)
        assert torch.equal(target.partner, values)
        assert torch.equal(target.own, y)

    def test_in_place_and_on_a_hidden_layer(self):
        x, y = torch.rand(5, 2), torch.rand(5)
        pool = torch.rand(30, 2), torch.rand(30)
        first, second, third = (CMixUp(0.1, pool=pool, seed=0) for _ in range(3))
        expected, _ = first(x, y)
        given = x.clone()
        mixed, _ = second(given, y, inplace=True)
        assert mixed is given
        assert torch.allclose(given, expected)
        mix = third.draw(x, y)
        others, _ = mix.other
        hidden = mix(x * 3, other=others * 3)
        assert torch.allclose(hidden, 3 * expected, atol=1e-6)

    def test_a_second_batch_by_hand_holds_the_partners_row_by_row(self):
        with pytest.raises(ValueError, match="CMixUp chooses the partners itself"):
            CMixUp(1.0)(torch.rand(3, 2), torch.rand(3), other=(torch.rand(3, 2), torch.rand(3)))

    def test_a_schedule_takes_partners_from_it_too(self):
        x, y = torch.zeros(4, 2), torch.rand(4)
        mixer = Schedule(
            CMixUp(0.1, alpha=8.0, pool=(torch.ones(9, 2), torch.rand(9))), until=0.5, steps=4
        )
        for mixing in (True, True, False, False):
            mixed, target = mixer(x, y)
            expected = (1 - target.weight) if mixing else torch.zeros(4)
            assert torch.allclose(mixed, expected[:, None].expand(4, 2))
            assert bool((target.weight < 1).all()) == mixing

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda mixer: Choice([MixUp(), mixer]),
            lambda mixer: ManifoldMixUp(
                torch.nn.Sequential(torch.nn.Linear(2, 2)), "0", mixer=mixer
            ),
        ],
    )
    def test_wrappers_that_cannot_use_a_pool_reject_it(self, wrap):
        mixer = wrap(CMixUp(1.0, pool=(torch.rand(9, 2), torch.rand(9))))
        with pytest.raises(ValueError, match="takes its partners from a pool"):
            mixer(torch.rand(3, 2), torch.rand(3))

    @pytest.mark.parametrize(
        ("pool", "error", "message"),
        [
            (torch.rand(3), TypeError, "pool must be a pair"),
            ((torch.rand(3, 2), torch.rand(4)), ValueError, "x has 3 samples, but y has 4"),
            ((torch.rand(3, 2), torch.arange(3)), TypeError, "not torch.int64"),
            ((torch.rand(0, 2), torch.rand(0)), ValueError, "the pool is empty"),
            ((torch.rand(1, 2), torch.tensor([torch.nan])), ValueError, "finite"),
        ],
    )
    def test_what_is_no_pool_is_rejected(self, pool, error, message):
        with pytest.raises(error, match=message):
            CMixUp(1.0, pool=pool)

    def test_targets_unlike_those_of_the_batch_are_rejected(self):
        x, y = torch.rand(3, 2), torch.rand(3)
        for pool_y in (torch.rand(9, 1), torch.rand(9, dtype=torch.float64)):
            with pytest.raises((ValueError, TypeError), match="pool"):
                CMixUp(1.0, pool=(torch.rand(9, 2), pool_y))(x, y)


class TestRandomNumbers:
    def test_one_seed_one_result_and_a_state_continues(self):
        x, y = torch.rand(8, 2), torch.rand(8)
        mixer, other = CMixUp(0.1, seed=4), CMixUp(0.1, seed=5)
        mixer(x, y)
        state = mixer.state_dict()
        expected, target = mixer(x, y)
        other.load_state_dict(state)
        mixed, same = other(x, y)
        assert torch.equal(mixed, expected)
        assert torch.equal(same.partner, target.partner)
        copied = pickle.loads(pickle.dumps(copy.deepcopy(mixer)))
        assert torch.equal(copied(x, y)[0], mixer(x, y)[0])

    def test_ranks_choose_other_partners(self, monkeypatch):
        y = torch.rand(64)
        met = []
        for rank in range(2):
            monkeypatch.setattr(rng, "rank_and_world_size", lambda rank=rank: (rank, 2))
            met.append(CMixUp(1.0, seed=0).draw(y, y).partner)
        assert not torch.equal(*met)

    def test_no_global_generator_is_read_or_moved(self):
        torch.manual_seed(0)
        before, y = torch.get_rng_state(), torch.linspace(0, 1, 8)
        CMixUp(1.0, seed=0)(y.clone(), y)
        assert torch.equal(torch.get_rng_state(), before)


class TestScheduleAndChoice:
    def test_a_schedule_keeps_its_partners(self):
        y = torch.tensor([0.0, 0.1, 0.2, 9.0, 9.1, 9.2])
        mixer = Schedule(CMixUp(0.1, alpha=8.0), until=0.5, steps=4, seed=0)
        for mixing in (True, True, False, False):
            x, target = mixer(y.clone(), y, inplace=True)
            assert bool(((target.own - target.partner).abs() < 1).all())
            assert torch.allclose(x, target.dense(), atol=1e-5)
            assert bool((target.weight < 1).all()) == mixing
            assert mixing or bool((target.weight == 1).all())

    @pytest.mark.parametrize("wrap", [lambda m: m, lambda m: Schedule(m, steps=99)])
    def test_a_choice_chooses_partners_for_its_own_samples_alone(self, wrap):
        y = torch.cat([torch.rand(200), 100 + torch.rand(200)])
        mixer = Choice([MixUp(float("inf")), wrap(CMixUp(0.1, alpha=float("inf")))], seed=0)
        x, target = mixer(y.clone(), y)
        assert torch.allclose(x, target.dense(), atol=1e-3)
        plain, near = (pattern.weight < 1 for pattern in mixer.draw(y, y).patterns)
        assert torch.equal(plain, ~near)
        mix = mixer.draw(y, y)
        plain, near = (pattern.weight < 1 for pattern in mix.patterns)
        distance = (y - y[mix.partner]).abs()
        assert float(distance[near].max()) < 2
        # Half of the partners of a cycle lie in the other group.
        assert 0.3 < float((distance[plain] > 50).double().mean()) < 0.7


@pytest.mark.parametrize(
    ("y", "kind"),
    [(None, "NoneType"), (torch.arange(3), "torch.int64"), ({"a": torch.rand(3)}, "dict")],
)
def test_targets_that_are_no_values_are_rejected(y, kind):
    with pytest.raises(TypeError, match=f"one tensor of floats, not {kind}"):
        CMixUp(1.0).draw(torch.rand(3, 2), y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bandwidth": 0}, ValueError, "bandwidth must be above 0 and finite, not 0"),
        ({"bandwidth": -1}, ValueError, "bandwidth must be 0 or more, not -1"),
        ({"bandwidth": float("inf")}, ValueError, "above 0 and finite"),
        ({"bandwidth": "1"}, TypeError, "bandwidth must be a number"),
        ({"bandwidth": 1, "alpha": -1}, ValueError, "alpha must be 0 or more"),
        ({"bandwidth": 1, "partners": "cycle"}, TypeError, "partners"),
        ({"bandwidth": 1, "half": True}, TypeError, "half"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        CMixUp(**arguments)


def test_the_repr_makes_the_same_mixer():
    mixer = CMixUp(0.5, alpha=1.0, per="batch", fields=["a"], seed=3)
    assert "partners" not in repr(mixer)
    assert repr(eval(repr(mixer))) == repr(mixer)


def test_a_mix_of_any_rows_in_place():
    x = torch.arange(4.0)
    Mix(torch.tensor([3, 3, 3, 3]), torch.full((4,), 0.5))(x, inplace=True)
    assert x.tolist() == [1.5, 2.0, 2.5, 3.0]
