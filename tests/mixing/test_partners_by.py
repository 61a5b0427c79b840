"""Partners that are chosen from the batch: by classes, distances, a function, or as given.

The statistical test raises a false alarm with probability 1e-6; its seed is fixed.
"""

import copy
import inspect
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal import (
    Choice,
    CMixUp,
    CutMix,
    DetectionMixUp,
    Far,
    KernelMixUp,
    ManifoldMixUp,
    MixUp,
    Near,
    Remix,
    ResizeMix,
    Schedule,
    check_mixer,
)
from vicinal import mixes as command
from vicinal.mixing import Batch, Mixer
from vicinal.mixing import partners_by as by
from vicinal.mixing.distances import squared_distances
from vicinal.mixing.partners import PARTNERS
from vicinal.rescaling import mean_share

FALSE_ALARM = 1e-6
LABELS = st.lists(st.integers(0, 4), max_size=24).map(lambda labels: torch.tensor(labels).long())


def chosen(word, y, seed=0, x=None):
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    return by.BY_BATCH[word].choose(order, Batch(torch.zeros(len(y), 1) if x is None else x, y))


class TestClasses:
    @given(y=LABELS, seed=st.integers(0, 2**31))
    def test_each_class_is_one_cycle(self, y, seed):
        partner = chosen("same_class", y, seed)
        assert torch.equal(y[partner], y)
        for label in y.unique():
            members = (y == label).nonzero().flatten().tolist()
            visited, row = [], members[0]
            for _ in members:
                visited.append(row)
                row = int(partner[row])
            assert (sorted(visited), row) == (members, members[0])

    @given(y=LABELS, seed=st.integers(0, 2**31))
    def test_partners_are_of_another_class_where_there_is_one(self, y, seed):
        partner = chosen("other_class", y, seed)
        if len(y.unique()) < 2:
            assert torch.equal(partner, torch.arange(len(y)))
        else:
            assert not (y[partner] == y).any()

    @pytest.mark.parametrize("word", ["same_class", "other_class"])
    def test_partners_are_uniform_over_those_that_fit(self, word):
        y = torch.tensor([0, 1, 0, 2, 0, 1, 0])
        seen = np.zeros((len(y), len(y)))
        for seed in range(1000):
            seen[np.arange(len(y)), chosen(word, y, seed).numpy()] += 1
        fits = (y[:, None] == y) == (word == "same_class")
        fits.fill_diagonal_(False)
        for row, fit in zip(seen, fits.numpy(), strict=True):
            assert fit.sum() < 2 or stats.chisquare(row[fit]).pvalue > FALSE_ALARM / len(y)

    @pytest.mark.parametrize("make", [MixUp, CutMix, ResizeMix])
    @pytest.mark.parametrize(
        ("word", "y", "alone"),
        [
            ("same_class", [0, 0, 1, 2, 0], [2, 3]),
            ("other_class", [3, 3, 3, 3, 3], [0, 1, 2, 3, 4]),
        ],
    )
    def test_a_sample_without_a_partner_is_not_mixed(self, make, word, y, alone):
        x, y = torch.rand(5, 3, 16, 16), torch.tensor(y)
        mixed, target = make(partners=word, seed=1)(x, y)
        assert torch.equal(mixed[alone], x[alone])
        assert (target.weight[alone] == 1).all()
        assert torch.equal(target.partner[alone], y[alone])
        others = [row for row in range(5) if row not in alone]
        assert (target.weight[others] < 1).all()

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool])
    def test_classes_are_integers_of_any_size(self, dtype):
        y = torch.tensor([0, 1, 0, 1, 1, 0]).to(dtype)
        target = MixUp(partners="other_class", seed=0)(torch.rand(6, 2), y)[1]
        assert (target.own != target.partner).all()

    @pytest.mark.parametrize("word", ["same_class", "other_class"])
    @pytest.mark.parametrize(
        ("y", "kind"),
        [
            (None, "none"),
            (torch.rand(4), r"torch.float32 of shape \(4,\)"),
            (torch.rand(4, 3), r"torch.float32 of shape \(4, 3\)"),
            (torch.zeros(4, 8, 8, dtype=torch.long), r"torch.int64 of shape \(4, 8, 8\)"),
            ({"kind": torch.arange(4), "age": torch.rand(4)}, "several targets"),
        ],
    )
    def test_what_has_no_classes_is_refused_and_uses_up_no_draw(self, word, y, kind):
        mixer = MixUp(partners=word, seed=0)
        with pytest.raises(TypeError, match=rf"'{word}' needs class indices .* not {kind}: for"):
            mixer.draw(torch.rand(4, 3, 8, 8), y)
        assert mixer.random.draws == 0


class TestDistances:
    def brute_force(self, x, y=None):
        flat = x.double().flatten(1)
        return ((flat[:, None] - flat) ** 2).sum(2)

    @pytest.mark.parametrize("shape", [(9, 5), (9, 3, 20, 20)])  # of few values, and of many
    def test_are_those_of_the_inputs(self, shape):
        x = 300 + torch.rand(shape)
        found = squared_distances(Batch(x), None).double()
        torch.testing.assert_close(found, self.brute_force(x), rtol=1e-4, atol=1e-4)
        expected = self.brute_force(x).fill_diagonal_(torch.inf).argmin(1)
        assert torch.equal(MixUp(partners="near", seed=0).draw(x).partner, expected)
        expected = self.brute_force(x).argmax(1)
        assert torch.equal(MixUp(partners="far", seed=0).draw(x).partner, expected)

    def test_of_bytes_and_half_precision_do_not_overflow(self):
        x = torch.randint(256, (8, 3, 20, 20), dtype=torch.uint8)
        found = squared_distances(Batch(x), None).double()
        torch.testing.assert_close(found, self.brute_force(x), rtol=1e-4, atol=100)
        x = (1000 * torch.randn(8, 50)).half()
        assert squared_distances(Batch(x), None).isfinite().all()

    def test_of_many_values_are_not_rounded_by_autocast(self):
        x = torch.rand(8, 2000)
        expected = squared_distances(Batch(x), None)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(squared_distances(Batch(x), None), expected)

    def test_of_categories_are_those_of_one_hot_vectors(self):
        numbers, categories = torch.randn(8, 3), torch.randint(3, (8, 2))
        one_hot = torch.nn.functional.one_hot(categories, 3).flatten(1).float()
        x = {"numbers": numbers, "categories": categories}
        expected = self.brute_force(torch.cat((numbers, one_hot), 1)).float()
        torch.testing.assert_close(squared_distances(Batch(x), None), expected)
        only = squared_distances(Batch(x, fields=("numbers",)), None)
        torch.testing.assert_close(only, self.brute_force(numbers).float())

    @pytest.mark.parametrize(("kind", "extreme"), [(Near, "argmin"), (Far, "argmax")])
    def test_may_be_those_of_features_without_a_graph(self, kind, extreme):
        network = torch.nn.Linear(5, 2)
        x = torch.randn(9, 5)
        distances = self.brute_force(network(x).detach())
        distances.fill_diagonal_(torch.inf if kind is Near else -1)
        mix = MixUp(partners=kind(network), seed=0).draw(x)
        assert torch.equal(mix.partner, getattr(distances, extreme)(1))
        assert not mix.weight.requires_grad

    @pytest.mark.parametrize("word", ["near", "far"])
    def test_a_missing_value_concerns_its_own_sample_alone(self, word):
        x = torch.randn(9, 4)
        expected = MixUp(partners=word, seed=0).draw(x[:8]).partner
        x[8, 2] = torch.nan
        assert torch.equal(MixUp(partners=word, seed=0).draw(x).partner[:8], expected)

    @pytest.mark.parametrize("word", ["near", "far"])
    def test_of_equal_samples_a_random_one_is_taken(self, word):
        partner = MixUp(partners=word, seed=0).draw(torch.ones(50, 2)).partner
        assert len(partner.unique()) <= 2  # the first of the order, and for that one the second
        assert not (partner == torch.arange(50)).any()
        other = MixUp(partners=word, seed=1).draw(torch.ones(50, 2)).partner
        assert not torch.equal(partner, other)

    @pytest.mark.parametrize("word", ["same_class", "other_class", "near", "far"])
    @pytest.mark.parametrize("count", [0, 1])
    def test_small_batches(self, word, count):
        x, target = MixUp(partners=word, seed=0)(torch.rand(count, 2), torch.arange(count))
        assert len(x) == len(target.weight) == count


class TestGiven:
    @pytest.mark.parametrize("as_what", [torch.tensor, list, np.array])
    def test_indices_are_used_as_they_are(self, as_what):
        x, y = torch.rand(4, 2), torch.arange(4)
        mixer = MixUp(partners=as_what([1, 0, 0, 3]), seed=0)
        mixed, target = mixer(x, y)
        assert target.partner.tolist() == [1, 0, 0, 3]
        assert (target.weight < 1).all()  # also of a sample that is to be mixed with its own copy
        assert torch.allclose(mixed[3], x[3])
        assert MixUp(partners=mixer.partners, seed=0).draw(x).partner.tolist() == [1, 0, 0, 3]

    def test_they_can_be_set_for_the_next_batch(self):
        mixer = MixUp(seed=0)
        for partners in ([3, 2, 1, 0], [1, 0, 3, 2]):
            mixer.partners = torch.tensor(partners)
            assert mixer.draw(torch.rand(4, 2)).partner.tolist() == partners

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            (lambda y: y.argsort(), [3, 2, 1, 0]),
            (lambda x, y: [1, 2, 3, 0], [1, 2, 3, 0]),
            (lambda x, y, *, key=2: x[:, 0].argsort(), [1, 0, 2, 3]),
        ],
    )
    def test_a_function_gets_the_targets_or_samples_and_targets(self, function, expected):
        x = torch.tensor([[2.0], [1.0], [3.0], [4.0]])
        mix = MixUp(partners=function, seed=0).draw(x, torch.tensor([3, 2, 1, 0]))
        assert mix.partner.tolist() == expected

    @pytest.mark.parametrize(
        ("partners", "error", "message"),
        [
            ("sameclass", ValueError, "one of 'cycle', .* 'far', a function .* not 'sameclass'"),
            (Near, TypeError, r"must not be a class: call it, Near\(\)"),
            (None, ValueError, "one of 'cycle', .* 'far', a function .* not None"),
            (3, TypeError, r"one integer for each sample, not torch.int64 of shape \(\)"),
            ([0.5, 1.0], TypeError, "not torch.float32"),
            (torch.ones(4, dtype=torch.bool), TypeError, "not torch.bool"),
            (lambda: 0, TypeError, r"must be a function of the targets, \(y\), or"),
            (lambda *a: 0, TypeError, r"must be a function of the targets, \(y\), or"),
            (lambda x, y=None: 0, TypeError, r"must be a function of the targets, \(y\), or"),
        ],
    )
    def test_mistakes_are_named_when_the_mixer_is_made(self, partners, error, message):
        with pytest.raises(error, match=message):
            MixUp(partners=partners)
        mixer = MixUp()
        with pytest.raises(error, match=message):
            mixer.partners = partners

    def test_a_distance_is_a_function(self):
        with pytest.raises(TypeError, match="distance must be a function of the samples, not 'in"):
            Near("inputs")

    @pytest.mark.parametrize(
        ("partners", "error", "message"),
        [
            (torch.arange(3), ValueError, "partners gives 3 indices for a batch of 4 samples"),
            (lambda y: y[:2], ValueError, "partners=<lambda> gives 2 indices for a batch of 4"),
            ([0, 1, 2, 4], ValueError, "index 4 for a batch of 4 samples: indices are 0 to 3"),
            ([0, 1, -1, 2], ValueError, "index -1 for a batch of 4 samples"),
            (lambda y: y / 2, TypeError, "must give one integer for each sample, not torch.float"),
            (lambda y: None, TypeError, "one integer for each sample, not NoneType"),
        ],
    )
    def test_mistakes_of_a_batch_are_named_and_use_up_no_draw(self, partners, error, message):
        mixer = MixUp(partners=partners, seed=0)
        with pytest.raises(error, match=message):
            mixer(torch.rand(4, 2), torch.arange(4))
        assert mixer.random.draws == 0


WAYS = {
    "same_class": "same_class",
    "other_class": "other_class",
    "near": "near",
    "far": Far(),
    "a function": lambda y: y.argsort(),
}


@pytest.mark.parametrize("partners", WAYS.values(), ids=WAYS)
class TestEverywhere:
    def test_mixers_pass_the_checks(self, partners):
        check_mixer(MixUp(partners=partners), skip=["compiled", "wrapped"])

    @pytest.mark.slow
    def test_and_those_of_compiling_and_wrapping(self, partners):
        check_mixer(MixUp(partners=partners))
        check_mixer(Choice([MixUp(), CutMix()], [0.5, 0.3], partners=partners), skip=["wrapped"])

    def test_half_and_a_second_batch_are_refused(self, partners):
        x, y = torch.rand(4, 2), torch.arange(4)
        with pytest.raises(ValueError, match=r"half and partners=.* exclude each other"):
            MixUp(partners=partners, half=True)
        mixer = MixUp(partners=partners)
        with pytest.raises(ValueError, match="from the batch: give no second batch"):
            mixer(x, y, other=(x, y))
        with pytest.raises(ValueError, match=r"half and partners=.* exclude each other"):
            mixer.half = True

    def test_a_wrapper_chooses_for_all_of_its_mixers(self, partners):
        x, y = torch.rand(8, 3, 8, 8), torch.arange(8) % 3
        alone = MixUp(partners=partners, seed=5)
        same = [
            Schedule(MixUp(partners=partners), steps=9, seed=5),
            Choice([MixUp(partners=partners), CutMix(partners=partners)], seed=5),
            Choice([MixUp(), KernelMixUp()], partners=partners, seed=5),
            ManifoldMixUp(torch.nn.Identity(), "input", mixer=MixUp(partners=partners), seed=5),
        ]
        for _ in range(3):
            expected = alone.draw(x, y).partner
            for mixer in same:
                mix = mixer.draw(x, y)
                mixed = mix.weight < 1
                assert torch.equal(mix.partner[mixed], expected[mixed])

    def test_methods_that_look_at_the_partners_see_the_chosen_ones(self, partners):
        x, y = torch.rand(8, 2), torch.tensor([0, 0, 0, 0, 0, 1, 1, 1])
        target = Remix([500, 3], partners=partners, seed=0)(x, y)[1]
        agree = target.own == target.partner
        common = (target.own == 0) & ~agree
        assert ((target.weight[common] == 0) | (target.weight[common] >= 0.5)).all()

    def test_one_weight_for_a_batch(self, partners):
        y = torch.tensor([0, 0, 0, 1, 1, 1])
        mix = MixUp(partners=partners, per="batch", seed=0).draw(torch.rand(6, 2), y)
        assert len(mix.weight.unique()) == 1

    def test_a_copy_and_a_restored_state_choose_the_same(self, partners):
        x, y = torch.rand(20, 2), torch.arange(20) % 3
        mixer = MixUp(partners=partners, seed=0)
        for _ in range(17):  # into the second block of draws
            mixer.draw(x, y)
        twin = copy.deepcopy(mixer)
        other = MixUp(partners=partners)
        other.load_state_dict(mixer.state_dict())
        expected = mixer.draw(x, y)
        for mix in (twin.draw(x, y), other.draw(x, y)):
            assert torch.equal(mix.partner, expected.partner)
            assert torch.equal(mix.weight, expected.weight)

    def test_predictions_are_not_rescaled(self, partners):
        with pytest.raises(ValueError, match="depends on the samples"):
            mean_share(MixUp(partners=partners))

    def test_images_with_boxes_have_no_such_partners(self, partners):
        mixer = DetectionMixUp(partners=partners, seed=0)
        x, y = mixer.form.example()
        with pytest.raises(ValueError, match="for images with boxes it is one of cycle, shuffle"):
            mixer(x, y)


@pytest.mark.parametrize("partners", ["near", "far", [0] * 40])
def test_a_mixer_that_chooses_its_own_partners_goes_on_to_do_so(partners):
    x, y = torch.rand(40, 2), torch.linspace(0, 1, 40)
    mix = Choice([CMixUp(1e-6), MixUp()], partners=partners, seed=2).draw(x, y)
    distance = (y - y[mix.partner]).abs()[mix.weight < 1]
    assert 10 < int((distance < 1.5 / 39).sum()) < 35  # those of CMixUp, to their neighbours


def test_in_place_each_row_is_read_before_it_is_written():
    """Also where one sample is the partner of many."""
    x, y = torch.rand(16, 3, 8, 8), torch.arange(16) % 2
    for word in ("same_class", "other_class", "far"):
        expected = MixUp(partners=word, seed=0)(x, y)[0]
        found = MixUp(partners=word, seed=0)(x.clone(), y, inplace=True)[0]
        assert torch.equal(found, expected)


def test_the_words_are_listed_in_the_type_the_help_and_the_command():
    literal, *_ = get_args(by.Partners)
    assert get_args(literal) == by.WORDS == (*PARTNERS, *by.BY_BATCH)
    assert tuple(word for word in by.WORDS if word != "pairs") == command.PARTNERS
    text = inspect.getdoc(MixUp)
    assert all(f'"{word}"' in text for word in by.WORDS)
    assert inspect.signature(Mixer).parameters["partners"].default == "cycle"
