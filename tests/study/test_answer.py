"""The answer in sentences claims no more than the numbers support."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from analyses import CUTMIX, MIXUP, NONE, analysis, failed, result

from vicinal.study.analysis import Analysis, allowed
from vicinal.study.answer import details, headline
from vicinal.study.arms import Arm
from vicinal.study.evaluation import Evaluation
from vicinal.study.intervals import interval
from vicinal.study.measures import MEASURES
from vicinal.study.measuring import compute_measures
from vicinal.study.report import write_report
from vicinal.study.result import Result

SEEDS = 6
LOW, HIGH = [0.70 + 0.001 * i for i in range(SEEDS)], [0.90 + 0.001 * i for i in range(SEEDS)]


def test_a_winner_is_named_with_its_interval():
    found = analysis({NONE: LOW, MIXUP: HIGH})
    (sentence,) = details(found)
    assert sentence.startswith("mixup α = 0.4 beats none by 20.0 points (")
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing by 20.0 points")
    low, high = sentence.partition("(")[2].partition(")")[0].split(" to ")
    assert float(low) < 20 < float(high)


def test_a_loser_is_named():
    found = analysis({NONE: HIGH, MIXUP: LOW})
    assert details(found)[0].startswith("mixup α = 0.4 loses to none by 20.0 points (")
    assert (
        headline(found)
        == "Nothing that was tried beats training without mixing: all of it is worse."
    )


def test_what_is_not_significant_is_not_claimed():
    found = analysis({NONE: [0.80, 0.82, 0.81], MIXUP: [0.84, 0.84, 0.80]})
    (sentence,) = details(found)
    assert sentence.startswith(
        "mixup α = 0.4 is 1.7 points better than none, in the mean of 3 seeds, but the true "
        "difference may be anything from -"
    )
    assert "beats" not in sentence
    assert headline(found).startswith(
        "3 seeds cannot tell whether mixup α = 0.4 beats training without mixing: the mean "
        "difference is +1.7 points (-"
    )
    worse = analysis({NONE: [0.84, 0.84, 0.80], MIXUP: [0.80, 0.82, 0.81]})
    assert details(worse)[0].startswith("mixup α = 0.4 is 1.7 points worse than none, in the mean")
    assert "the mean difference is -1.7 points (-" in headline(worse)
    alike = analysis({NONE: [0.80, 0.82, 0.81], MIXUP: [0.82, 0.81, 0.80]})
    assert details(alike)[0].startswith(
        "mixup α = 0.4 has the same accuracy as none, in the mean of 3 seeds, but the true "
        "difference may be anything from -4.3 to +4.3 points"
    )


def test_equality_is_claimed_only_where_the_interval_shows_it():
    """All of it is within half a point."""
    shares = {NONE: [0.900] * 6, MIXUP: [0.900, 0.901, 0.900, 0.901, 0.900, 0.901]}
    found = analysis(shares, samples=20_000)
    low, high = interval_of(found)
    assert -0.005 <= low <= 0 <= high <= 0.005
    assert headline(found) == (
        "mixup α = 0.4 makes no practical difference to training without mixing (less than half "
        "a point)."
    )
    assert details(found)[0].startswith(
        "mixup α = 0.4 makes no practical difference to none, less than half a point: +0.1 "
        "points (-0.007 to +0.1), with 6 seeds."
    )
    wide = analysis({NONE: [0.90, 0.91] * 3, MIXUP: [0.91, 0.90] * 3})
    assert interval_of(wide)[0] < -0.005
    assert "practical" not in headline(wide) + details(wide)[0]


def test_equality_does_not_rest_on_what_is_cut_off():
    """Of 99.8 %, 0.2 points are left to gain; on other samples, the baseline may leave more."""
    found = analysis({NONE: [0.998] * 3, MIXUP: [0.996, 0.99995, 0.9991]}, samples=20_000)
    (made,) = found.compare(found.main)
    uncut = interval(differences_of(found, "accuracy"))
    assert -0.005 < uncut.low < uncut.high
    assert uncut.high > 0.005 > made.interval.high
    assert made.interval.high == pytest.approx(0.002)
    assert not made.is_negligible


def interval_of(found):
    (made,) = found.compare(found.main)
    return made.interval.low, made.interval.high


def test_a_small_but_significant_difference_is_called_small():
    shares = {NONE: [0.900] * 6, MIXUP: [0.902, 0.9021, 0.902, 0.9021, 0.902, 0.9021]}
    found = analysis(shares, samples=20_000)
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing by 0.2 points (")
    assert headline(found).endswith("), less than half a point.")


def test_several_arms_are_told_apart():
    """Undecided, without a practical difference, worse, and of one seed, in this order."""
    fmix, gridmix = Arm("fmix", 1.0, 5), Arm("gridmix", 1.0, 5)
    shares = {
        NONE: [0.900] * 6,
        MIXUP: [0.80, 0.99, 0.95, 0.90, 0.97, 0.85],
        fmix: [0.900, 0.901, 0.900, 0.901, 0.900, 0.901],
        CUTMIX: [0.80, 0.81, 0.80, 0.81, 0.80, 0.81],
        gridmix: [0.95],
    }
    text = headline(analysis(shares, samples=20_000))
    assert text.startswith("6 seeds cannot tell whether mixup α = 0.4 beats training without")
    assert text.endswith(
        "); fmix α = 1 makes no practical difference (less than half a point); cutmix α = 1 is "
        "worse; one seed of gridmix α = 1 tells nothing."
    )
    only_worse = {arm: shares[arm] for arm in (NONE, CUTMIX, gridmix)}
    assert headline(analysis(only_worse)) == (
        "cutmix α = 1 is worse than training without mixing; one seed of gridmix α = 1 tells "
        "nothing."
    )
    undecided = {NONE: shares[NONE], MIXUP: shares[MIXUP], CUTMIX: [0.9, 0.8, 0.99, 0.9, 0.8, 0.9]}
    assert headline(analysis(undecided)).startswith(
        "6 seeds cannot tell whether anything that was tried beats training without mixing: the "
        "best mean difference is that of mixup α = 0.4, +1.0 points (-"
    )


def test_an_interval_ends_where_nothing_is_possible():
    """Of an accuracy of 90 %, no more than 10 points can be gained, and no more than 90 lost."""
    found = analysis({NONE: [0.90, 0.90], MIXUP: [0.80, 0.98]})
    assert interval_of(found) == pytest.approx((-0.9, 0.1))
    assert headline(found) == (
        "2 seeds are too few to tell whether mixup α = 0.4 beats training without mixing: take 5 "
        "or more."
    )
    assert details(found)[1] == (
        "mixup α = 0.4 is 1.0 points worse than none, in the mean of 2 seeds: so few seeds leave "
        "open what the true difference is."
    )
    for measure in found.measures:
        for made in found.compare(measure):
            low, high = allowed(measure, made.base)
            assert low <= made.interval.low
            assert made.interval.high <= high
    nll = found.compare(MEASURES["nll"])[0]
    assert nll.interval.low == pytest.approx(-nll.base)
    assert (
        interval_of(analysis({NONE: [0.90, 0.90], MIXUP: [0.897, 0.90]}, samples=20_000))[1] < 0.1
    )


def test_what_is_not_finite_is_never_claimed():
    results = analysis({NONE: LOW, MIXUP: HIGH}).results
    for each in results[-3:]:
        each.values["accuracy"][0] = math.nan
        each.values["nll"][0] = math.inf
    with np.errstate(invalid="ignore"):
        found = Analysis([NONE, MIXUP], results)
        assert not any(made.interval.significant for made in found.compare(found.main))
        assert headline(found).startswith("6 seeds cannot tell")
        assert "beats none" not in details(found)[0]


def test_it_says_how_many_seeds_would_be_enough():
    shares = {NONE: [0.8, 0.8, 0.8], MIXUP: [0.80, 0.81, 0.79]}
    # With this many samples, the seeds alone make the interval.
    (sentence,) = details(analysis(shares, samples=20_000))
    assert "seeds would narrow that to about half a point either way" in sentence


def test_a_need_of_very_many_seeds_is_not_a_lack_of_samples():
    """Where arms differ by the seeds alone, some number of seeds would be enough."""
    shares = {NONE: [0.80, 0.82], MIXUP: [0.70, 0.79]}
    *_, sentence = details(analysis(shares, samples=10_000))
    assert "more than 100 seeds would be needed to narrow that to half a point" in sentence
    assert "too few" not in sentence


def test_too_few_samples_are_reported():
    runs = [(NONE, seed, 0.8) for seed in range(3)]
    runs += [(MIXUP, seed, right) for seed, right in enumerate([0.6, 0.7, 0.9])]
    # All seeds are right on the same samples, as far as they are right.
    results = [replace(result(arm, 0, right, samples=40), seed=seed) for arm, seed, right in runs]
    warning, sentence = details(Analysis([NONE, MIXUP], results))
    assert warning == "There are only 40 validation samples; one of them is 2.5 points."
    assert (
        "more seeds alone cannot narrow that to half a point either way: 40 validation" in sentence
    )


def test_one_seed_gives_no_interval():
    found = analysis({NONE: [0.7], MIXUP: [0.9]})
    assert details(found) == [
        "mixup α = 0.4 has 90.0 %, none 70.0 % (accuracy): one seed gives no interval; take 5 "
        "or more."
    ]
    assert headline(found) == "One seed cannot tell a difference from chance: add seeds."


def test_the_best_comes_first():
    found = analysis({NONE: LOW, CUTMIX: [0.8] * SEEDS, MIXUP: HIGH})
    first, second, last = details(found)
    assert first.startswith("mixup")
    assert second.startswith("cutmix")
    assert last == "The best mean accuracy is that of mixup α = 0.4: 90.2 %."


def test_the_mean_of_a_mean_is_said_once(monkeypatch):
    found = analysis({NONE: LOW, CUTMIX: [0.8] * SEEDS, MIXUP: HIGH})
    monkeypatch.setattr(Analysis, "main", replace(found.main, title="mean IoU"))
    assert details(found)[-1] == "The best mean IoU is that of mixup α = 0.4: 90.2 %."


def test_significant_differences_of_calibration_and_time_are_reported():
    results = [result(NONE, seed, 0.80, confidence=0.99) for seed in range(SEEDS)]
    results += [result(MIXUP, seed, 0.81, confidence=0.8, seconds=11.0) for seed in range(SEEDS)]
    (sentence,) = details(Analysis([NONE, MIXUP], results))
    better = sentence.partition("It is better in ")[2]
    assert "negative log-likelihood (" in better
    assert "calibration error (1.0 % against 19.0 %)" in better
    assert sentence.endswith("It takes 10 % more time.")


def test_an_arm_that_diverged_is_reported_and_the_others_are_compared():
    found = analysis({NONE: LOW, MIXUP: HIGH})
    results = [*found.results, *(failed(CUTMIX, seed) for seed in range(SEEDS))]
    sentences = details(Analysis([NONE, MIXUP, CUTMIX], results))
    assert sentences[0] == (
        "cutmix α = 1: 6 of its 6 runs diverged (the training loss became nan in epoch 2)."
    )
    assert sentences[1].startswith("mixup α = 0.4 beats none")
    assert "so they cannot be compared" in sentences[3]


def test_seeds_that_only_one_arm_has_are_left_out():
    results = [result(NONE, seed, 0.7) for seed in (0, 1, 2)]
    results += [failed(MIXUP, 0), *(result(MIXUP, seed, 0.9) for seed in (1, 2, 5))]
    found = Analysis([NONE, MIXUP], results)
    (made,) = found.compare(found.measures[0])
    assert made.interval.seeds == 2
    assert made.interval.mean == pytest.approx(0.2)


def test_lengths_are_named_where_there_are_several():
    long = [replace(arm, epochs=80) for arm in (NONE, MIXUP)]
    found = analysis({NONE: HIGH, MIXUP: LOW, long[0]: LOW, long[1]: HIGH})
    first, second, last = details(found)
    assert last == (
        "The best mean accuracy is that of none at 5 epochs and mixup α = 0.4 at 80 epochs: 90.2 %."
    )
    assert first.startswith("mixup α = 0.4 at 80 epochs beats none by 20.0 points")
    assert second.startswith("mixup α = 0.4 at 5 epochs loses to none by 20.0 points")
    assert headline(found).startswith(
        "With 5 epochs, nothing that was tried beats training without mixing: all of it is worse. "
        "With 80 epochs, mixup α = 0.4 beats training without mixing by 20.0 points ("
    )


def test_one_arm_with_a_single_seed_does_not_silence_the_others():
    results = [*analysis({NONE: LOW, MIXUP: HIGH}).results, result(CUTMIX, 0, 0.9)]
    found = Analysis([NONE, MIXUP, CUTMIX], results)
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing")


def test_arms_that_do_not_differ_on_any_sample_have_no_interval():
    made = analysis({NONE: [1.0] * 3, MIXUP: [1.0] * 3, CUTMIX: [1.0] * 3}, samples=40)
    same = "have the same accuracy as training without mixing on every sample."
    assert headline(made) == f"mixup α = 0.4 and cutmix α = 1 {same}"
    _, sentence = details(analysis({NONE: [1.0] * 3, MIXUP: [1.0] * 3}, samples=40))
    assert (
        sentence == "mixup α = 0.4 and none have the same accuracy on every sample, with 3 seeds."
    )


def test_without_an_arm_that_does_not_mix_the_baseline_is_named():
    found = analysis({MIXUP: LOW, CUTMIX: HIGH})
    assert headline(found).startswith("cutmix α = 1 beats mixup α = 0.4 by 20.0 points")


def test_all_other_measures_share_one_error_probability():
    found = analysis({NONE: LOW, MIXUP: HIGH})
    others = found.measures[1:]
    values = {m.name: found.compare(m)[0] for m in found.measures}
    assert values["accuracy"].interval == interval(differences_of(found, "accuracy"), 1)
    assert values["nll"].interval == interval(differences_of(found, "nll"), len(others))


def differences_of(found, name):
    own, base = (
        np.stack([run.values[name].numpy() for run in found.of(arm)]) for arm in (MIXUP, NONE)
    )
    return own - base


def test_samples_that_differ_from_seed_to_seed_are_compared_by_their_means():
    found = analysis({NONE: LOW, MIXUP: HIGH})
    for run in found.results:
        run.values["memorised"] = run.values["nll"].flip(0)
    made = found.compare(MEASURES["memorised"])[0]
    differences = differences_of(found, "memorised")
    assert made.interval == interval(differences, len(found.measures) - 1, paired=False)


def test_two_seeds_get_a_warning():
    sentences = details(analysis({NONE: LOW[:2], MIXUP: HIGH[:2]}))
    assert sentences[0].startswith("Two seeds are the fewest that give an interval")


def test_a_loser_among_the_undecided_is_named():
    shares = {NONE: HIGH, MIXUP: [0.9, 0.89, 0.91, 0.9, 0.9, 0.91], CUTMIX: LOW}
    assert headline(analysis(shares)) == (
        "6 seeds cannot tell whether mixup α = 0.4 beats training without mixing: the mean "
        "difference is -0.1 points (-0.9 to +0.8); cutmix α = 1 is worse."
    )


def test_one_seed_of_one_length_decides_nothing_about_it():
    long = [replace(arm, epochs=20) for arm in (NONE, MIXUP)]
    found = analysis({NONE: HIGH, MIXUP: LOW, long[0]: [0.7], long[1]: [0.8]})
    assert headline(found).endswith(
        "all of it is worse. With 20 epochs, one seed cannot tell a difference from chance: add "
        "seeds."
    )


def test_an_arm_with_a_single_seed_is_not_among_the_seeds_that_cannot_tell():
    results = analysis({NONE: [0.80, 0.82, 0.81], MIXUP: [0.82, 0.81, 0.80]}).results
    found = Analysis([NONE, MIXUP, CUTMIX], [*results, result(CUTMIX, 0, 0.9)])
    assert headline(found).startswith("3 seeds cannot tell whether mixup α = 0.4 beats")


def with_chance(chance, shares, **options):
    found = analysis(shares, **options)
    return Analysis(found.arms, [replace(each, chance=chance) for each in found.results])


def test_arms_no_better_than_chance_are_not_compared():
    found = with_chance(0.5, {NONE: [0.30] * SEEDS, MIXUP: [0.52] * SEEDS})
    assert headline(found).startswith("No arm is better than chance yet")
    assert details(found) == []
    several = with_chance(0.5, {NONE: [0.3] * 6, MIXUP: [0.52] * 6, CUTMIX: [0.51] * 6})
    assert details(several) == []  # no best mean either


def test_nothing_is_compared_with_a_baseline_no_better_than_chance():
    found = with_chance(0.14, {NONE: [0.09] * SEEDS, MIXUP: [0.22] * SEEDS})
    assert headline(found).startswith(
        "Training without mixing is no better than chance yet, so nothing"
    )
    assert details(found) == []


def test_several_losers_take_the_plural():
    arms = {NONE: [0.90, 0.91, 0.89], MIXUP: [0.90, 0.89, 0.91]}
    bad = {CUTMIX: [0.60, 0.61, 0.59], Arm("fmix", 1.0, 5): [0.61, 0.60, 0.59]}
    assert "cutmix α = 1 and fmix α = 1 are worse." in headline(analysis(arms | bad))


def test_chance_is_the_most_frequent_class_however_frequent():
    shares = {NONE: [0.985, 0.986, 0.984], MIXUP: [0.995, 0.996, 0.995]}
    found = with_chance(0.97, shares, samples=10_000)
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing by 1.0 points")
    assert details(found)[0].startswith("mixup α = 0.4 beats none by 1.0 points")
    always = with_chance(0.97, {NONE: [0.97] * 3, MIXUP: [0.9701] * 3}, samples=10_000)
    assert not any(map(always.beats_chance, always.arms))


def values_of(outputs, targets):
    return compute_measures(Evaluation(outputs, targets, is_classifier=False))


@pytest.mark.parametrize(("samples", "beats"), [(20_000, True), (200, False)])
def test_a_weak_regression_beats_chance_where_the_samples_are_enough_to_show_it(samples, beats):
    generator = torch.Generator().manual_seed(0)
    known, unknown = torch.randn(2, samples, 1, generator=generator).double()
    y = 0.28 * known + 0.96 * unknown  # 8 % of its variance can be predicted
    results = [
        Result(arm.name, seed, values=values_of(share * known, y), chance=y.std().item())
        for arm, share in ((NONE, 0.20), (MIXUP, 0.28))
        for seed in range(3)
    ]
    found = Analysis([NONE, MIXUP], results)
    assert any(map(found.beats_chance, found.arms)) == beats
    mean = replace(results[0], values=values_of(y.mean().expand_as(y), y))
    assert not Analysis([NONE], [mean]).beats_chance(NONE)


def test_everything_diverged():
    found = Analysis([NONE, MIXUP], [failed(NONE, 0), failed(MIXUP, 0)])
    assert len(details(found)) == 2
    assert (
        headline(found)
        == "There is nothing to compare: no arm has finished a seed that its baseline has, too."
    )


def test_the_tables_agree_with_the_answer():
    found = analysis({NONE: LOW, MIXUP: HIGH})
    frame = found.frame()
    assert frame["seed"].tolist() == [*range(SEEDS), *range(SEEDS)]
    assert frame["accuracy"].tolist() == pytest.approx([*LOW, *HIGH], abs=0.0013)
    differences = {row["measure"]: row for row in found.differences()}
    assert differences["accuracy"]["significant"]
    assert differences["accuracy"]["difference"] == pytest.approx(0.2, abs=1e-6)


def test_arms_without_a_partner_share_a_sentence_and_one_arm_alone_is_not_the_best():
    (run,) = analysis({NONE: [0.7]}).results
    assert details(Analysis([NONE, MIXUP, CUTMIX], [run])) == [
        "mixup α = 0.4 and cutmix α = 1 have not finished a run of a seed that none has, too, so "
        "they cannot be compared with it."
    ]
    assert details(Analysis([NONE, MIXUP], [run])) == [
        "mixup α = 0.4 and none have not finished a run of the same seed, so they cannot be "
        "compared."
    ]


class TestMissingMeasures:
    """Results of an earlier version lack measures that were added since."""

    def without(self, results, name, seeds):
        for each in results:
            if each.seed in seeds:
                del each.values[name]
        return results

    def test_an_arm_without_a_measure_lacks_it_and_the_others_are_compared(self):
        old = self.without(analysis({NONE: LOW}).results, "brier", range(SEEDS))
        new = analysis({MIXUP: HIGH, CUTMIX: LOW}).results
        found = Analysis([NONE, MIXUP, CUTMIX], [*old, *new])
        brier = MEASURES["brier"]
        assert brier in found.measures
        assert found.mean(NONE, brier) is None
        assert found.mean(MIXUP, brier) is not None
        assert found.compare(brier) == []
        assert len(found.compare(MEASURES["nll"])) == 2
        sentence = "Brier score was not measured in none: an earlier version did not have it."
        assert details(found)[0] == sentence
        frame = found.frame().set_index("mix")["brier"]
        assert frame["none"].isna().all()
        assert frame["mixup"].notna().all()

    def test_seeds_that_were_added_since_are_compared(self):
        results = analysis({NONE: LOW, MIXUP: HIGH}).results
        found = Analysis([NONE, MIXUP], self.without(results, "ece_unbiased", range(4)))
        (made,) = found.compare(MEASURES["ece"])
        assert made.interval.seeds == SEEDS - 4
        (main,) = found.compare(found.main)
        assert main.interval.seeds == SEEDS
        assert details(found)[0] == (
            "Calibration error was not measured in 4 of the 6 runs of each of none and "
            "mixup α = 0.4: an earlier version did not have it."
        )

    def test_measures_that_the_same_runs_lack_share_a_sentence(self):
        results = analysis({NONE: LOW, MIXUP: HIGH, CUTMIX: LOW}).results
        for name in ("brier", "aurc", "ace_unbiased"):
            self.without(results[: 2 * SEEDS], name, [0])
        self.without(results[:SEEDS], "nll", range(SEEDS))
        found = details(Analysis([NONE, MIXUP, CUTMIX], results))
        assert [sentence for sentence in found if "earlier version" in sentence] == [
            "Negative log-likelihood was not measured in none: an earlier version did not have it.",
            "An earlier version did not have these measures, which are missing in 1 of the 6 runs "
            "of each of none and mixup α = 0.4: Brier score; adaptive calibration error; area "
            "under the risk-coverage curve.",
        ]

    def test_nothing_is_said_where_all_are_measured(self):
        found = analysis({NONE: LOW, MIXUP: HIGH})
        assert found.missing == []
        assert "not measured" not in " ".join(details(found))


def test_an_interval_of_values_without_bias_is_not_cut_by_one_with_bias():
    made = analysis({NONE: [0.9, 0.9, 0.9], MIXUP: [0.9, 0.9, 0.9]})
    generator = torch.Generator().manual_seed(0)
    for each in made.results:
        noise = torch.randn(400, generator=generator, dtype=torch.float64) / 100
        mixes = each.arm == MIXUP.name
        each.values["ece"] = torch.full((400,), 0.008 if mixes else 0.003, dtype=torch.float64)
        # Without bias, the arm has a lower error by more than the baseline's with bias.
        each.values["ece_unbiased"] = noise - noise.mean() - (0.006 if mixes else 0.0)
    (found,) = made.compare(MEASURES["ece"])
    assert found.interval.low < found.interval.mean < found.interval.high
    assert found.interval.mean == pytest.approx(-0.006)


def test_runs_in_which_an_earlier_version_changed_more_images_are_not_mixed_with_others():
    found = analysis({NONE: [0.6] * 4, MIXUP: [0.8] * 4})
    for each in found.results:
        samples = 400 if each.seed else 1000
        each.values["blur"] = (torch.arange(samples) < samples / 2).double()
    found.results[-1].values["blur"] = torch.zeros(1000, dtype=torch.float64)  # and none's has 400
    (made,) = Analysis(found.arms, found.results).compare(MEASURES["blur"])
    assert (made.interval.seeds, made.value) == (2, 0.5)
    (made,) = Analysis(found.arms, found.results).compare(MEASURES["accuracy"])
    assert made.interval.seeds == 4


class TestUnequalSeeds:
    """An arm that has diverged on a hard seed must not be crowned for it."""

    def found(self):
        values = {NONE: [0.60, 0.70, 0.90], MIXUP: [0.58, 0.99, 0.88], CUTMIX: [0.55, 0.66, 0.86]}
        made = analysis(values)
        lost = failed(MIXUP, 0)
        results = [lost if (r.arm, r.seed) == (MIXUP.name, 0) else r for r in made.results]
        results = [
            replace(r, failed="nan") if (r.arm, r.seed) == (MIXUP.name, 1) else r for r in results
        ]
        return Analysis(made.arms, results)

    def test_the_best_mean_is_over_the_seeds_of_all(self):
        assert details(self.found())[-1] == (
            "The best mean accuracy over 1 seed, which all have finished, is that of none: 90.0 %."
        )

    def test_without_a_common_seed_there_is_no_best_mean(self):
        found = self.found()
        results = [r for r in found.results if (r.arm, r.seed) != (CUTMIX.name, 2)]
        assert not any("best mean" in s for s in details(Analysis(found.arms, results)))

    def test_the_report_says_over_what_its_numbers_are(self, tmp_path):
        said = "A difference is over\nthe seeds that both arms have finished"
        for found, is_said in ((self.found(), True), (analysis({NONE: LOW, MIXUP: HIGH}), False)):
            write_report(tmp_path / "report.html", found, ["answer"])
            assert (said in (tmp_path / "report.html").read_text()) == is_said


def test_too_few_samples_are_not_blamed_on_the_seeds():
    found = analysis({NONE: [2 / 3] * 8, MIXUP: [1 / 3, 1.0] * 4}, samples=3)
    assert headline(found) == (
        "3 validation samples and 8 seeds cannot tell whether mixup α = 0.4 beats "
        "training without mixing: hold out more samples."
    )
    assert any("so few validation samples leave open" in sentence for sentence in details(found))


def test_a_length_that_cannot_be_compared_is_named_in_the_headline():
    long = [replace(arm, epochs=20) for arm in (NONE, MIXUP)]
    found = analysis({NONE: LOW, MIXUP: HIGH, long[0]: LOW, long[1]: HIGH})
    lost = [replace(r, failed="nan") if r.arm == long[0].name else r for r in found.results]
    sentence = headline(Analysis(found.arms, lost))
    assert sentence.startswith("With 5 epochs, mixup α = 0.4 beats training without mixing by 20.0")
    assert sentence.endswith("). With 20 epochs, there is nothing to compare.")


def test_tables_claim_no_difference_to_what_has_learnt_nothing(tmp_path):
    found = analysis({NONE: LOW, MIXUP: HIGH})
    dull = Analysis(found.arms, [replace(result, chance=0.72) for result in found.results])
    assert not any(row["learnt"] for row in dull.differences())
    assert all(row["learnt"] for row in found.differences())
    for each, is_said in ((dull, False), (found, True)):
        write_report(tmp_path / "report.html", each, ["answer"])
        page = (tmp_path / "report.html").read_text()
        assert (" better</span>" in page) == is_said
    assert list(found.differences()[0]) == found.columns
