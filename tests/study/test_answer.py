"""The answer in words says no more than the numbers bear."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from studies import CUTMIX, MIXUP, NONE, failed, result, study

from vicinal.study.answer import answer, headline
from vicinal.study.arms import Arm
from vicinal.study.intervals import interval
from vicinal.study.measures import MEASURES, value_measures
from vicinal.study.runner import Result
from vicinal.study.study import Study

SEEDS = 6
LOW, HIGH = [0.70 + 0.001 * i for i in range(SEEDS)], [0.90 + 0.001 * i for i in range(SEEDS)]


def test_a_winner_is_named_with_its_interval():
    found = study({NONE: LOW, MIXUP: HIGH})
    (sentence,) = answer(found)
    assert sentence.startswith("mixup α = 0.4 beats none by 20.0 points (")
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing by 20.0 points")
    low, high = sentence.partition("(")[2].partition(")")[0].split(" to ")
    assert float(low) < 20 < float(high)


def test_a_loser_is_named():
    found = study({NONE: HIGH, MIXUP: LOW})
    assert answer(found)[0].startswith("mixup α = 0.4 loses to none by 20.0 points (")
    assert (
        headline(found)
        == "Nothing that was tried beats training without mixing: all of it is worse."
    )


def test_what_cannot_be_told_is_not_said():
    found = study({NONE: [0.80, 0.82, 0.81], MIXUP: [0.82, 0.81, 0.80]})
    (sentence,) = answer(found)
    assert (
        "3 seeds show no difference between mixup α = 0.4 and none: it may be anything" in sentence
    )
    assert "beats" not in sentence
    assert headline(found) == (
        "3 seeds show no gain over training without mixing, but cannot rule one out."
    )


def test_it_says_how_many_seeds_would_tell():
    shares = {NONE: [0.8, 0.8, 0.8], MIXUP: [0.80, 0.81, 0.79]}
    # Of so many samples that they leave little to chance.
    (sentence,) = answer(study(shares, samples=20_000))
    assert "seeds would narrow that to about half a point either way" in sentence


def test_many_seeds_are_not_counted_and_are_no_lack_of_samples():
    """What differs between the seeds alone, more of them would tell, if only very many."""
    shares = {NONE: [0.80, 0.82], MIXUP: [0.70, 0.79]}
    *_, sentence = answer(study(shares, samples=10_000))
    assert "more than 100 seeds would be needed to narrow that to half a point" in sentence
    assert "too few" not in sentence


def test_too_few_samples_are_told():
    runs = [(NONE, seed, 0.8) for seed in range(3)]
    runs += [(MIXUP, seed, right) for seed, right in enumerate([0.6, 0.7, 0.9])]
    # Every seed is right in the same samples, as far as it is.
    results = [replace(result(arm, 0, right, samples=40), seed=seed) for arm, seed, right in runs]
    warning, sentence = answer(Study([NONE, MIXUP], results))
    assert warning == "There are only 40 validation samples; one of them is 2.5 points."
    assert (
        "more seeds alone cannot narrow that to half a point either way: 40 validation" in sentence
    )


def test_one_seed_tells_no_interval():
    found = study({NONE: [0.7], MIXUP: [0.9]})
    assert answer(found) == [
        "mixup α = 0.4 has 90.0 %, none 70.0 % (accuracy): one seed tells no interval; 2 or more "
        "would."
    ]
    assert headline(found) == "One seed tells no difference from chance: add seeds."


def test_the_best_comes_first():
    found = study({NONE: LOW, CUTMIX: [0.8] * SEEDS, MIXUP: HIGH})
    first, second, last = answer(found)
    assert first.startswith("mixup")
    assert second.startswith("cutmix")
    assert last == "The best mean accuracy is that of mixup α = 0.4: 90.2 %."


def test_calibration_and_time_are_told_where_they_differ():
    results = [result(NONE, seed, 0.80, sure=0.99) for seed in range(SEEDS)]
    results += [result(MIXUP, seed, 0.81, sure=0.8, seconds=11.0) for seed in range(SEEDS)]
    (sentence,) = answer(Study([NONE, MIXUP], results))
    assert "It is better in negative log-likelihood (" in sentence
    assert "and calibration error (1.0 % against 19.0 %)." in sentence
    assert sentence.endswith("It takes 10 % more time.")


def test_an_arm_that_diverged_is_told_and_the_others_are_compared():
    found = study({NONE: LOW, MIXUP: HIGH})
    results = [*found.results, *(failed(CUTMIX, seed) for seed in range(SEEDS))]
    sentences = answer(Study([NONE, MIXUP, CUTMIX], results))
    assert sentences[0] == (
        "cutmix α = 1: 6 of its 6 runs diverged (the training loss became nan in epoch 2)."
    )
    assert sentences[1].startswith("mixup α = 0.4 beats none")
    assert "nothing can be said of them" in sentences[3]


def test_seeds_that_one_of_both_lacks_are_left_out():
    results = [result(NONE, seed, 0.7) for seed in (0, 1, 2)]
    results += [failed(MIXUP, 0), *(result(MIXUP, seed, 0.9) for seed in (1, 2, 5))]
    found = Study([NONE, MIXUP], results)
    (made,) = found.compare(found.measures[0])
    assert made.interval.seeds == 2
    assert made.interval.mean == pytest.approx(0.2)


def test_lengths_are_named_where_there_are_several():
    long = [replace(arm, epochs=80) for arm in (NONE, MIXUP)]
    found = study({NONE: HIGH, MIXUP: LOW, long[0]: LOW, long[1]: HIGH})
    first, second, last = answer(found)
    assert last == "The best mean accuracy is that of none at 5 epochs: 90.2 %."
    assert first.startswith("mixup α = 0.4 at 80 epochs beats none by 20.0 points")
    assert second.startswith("mixup α = 0.4 at 5 epochs loses to none by 20.0 points")
    assert headline(found).startswith(
        "With 5 epochs, nothing that was tried beats training without mixing: all of it is worse. "
        "With 80 epochs, mixup α = 0.4 beats training without mixing by 20.0 points ("
    )


def test_one_arm_with_a_single_seed_does_not_silence_the_others():
    results = [*study({NONE: LOW, MIXUP: HIGH}).results, result(CUTMIX, 0, 0.9)]
    found = Study([NONE, MIXUP, CUTMIX], results)
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing")


def test_arms_that_answer_alike_are_not_said_to_be_narrowly_known():
    _, sentence = answer(study({NONE: [1.0] * 3, MIXUP: [1.0] * 3}, samples=40))
    assert sentence == "mixup α = 0.4 and none answered alike on every sample, with 3 seeds."


def test_without_an_arm_that_does_not_mix_the_baseline_is_named():
    found = study({MIXUP: LOW, CUTMIX: HIGH})
    assert headline(found).startswith("cutmix α = 1 beats mixup α = 0.4 by 20.0 points")


def test_the_many_other_measures_share_one_chance_of_error():
    found = study({NONE: LOW, MIXUP: HIGH})
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
    found = study({NONE: LOW, MIXUP: HIGH})
    for run in found.results:
        run.values["memorised"] = run.values["nll"].flip(0)
    made = found.compare(MEASURES["memorised"])[0]
    means = differences_of(found, "nll").mean(1, keepdims=True)
    assert made.interval == interval(means, len(found.measures) - 1)


def test_two_seeds_are_told_to_be_few():
    sentences = answer(study({NONE: LOW[:2], MIXUP: HIGH[:2]}))
    assert sentences[0].startswith("Two seeds are the fewest that give an interval")


def test_a_loser_among_the_undecided_is_named():
    shares = {NONE: HIGH, MIXUP: [0.9, 0.89, 0.91, 0.9, 0.9, 0.91], CUTMIX: LOW}
    assert headline(study(shares)) == (
        "6 seeds show no gain over training without mixing, but cannot rule one out; cutmix α = 1 "
        "is worse."
    )


def test_one_seed_of_one_length_tells_nothing_of_it():
    long = [replace(arm, epochs=20) for arm in (NONE, MIXUP)]
    found = study({NONE: HIGH, MIXUP: LOW, long[0]: [0.7], long[1]: [0.8]})
    assert headline(found).endswith(
        "all of it is worse. With 20 epochs, one seed tells no difference from chance: add seeds."
    )


def test_an_arm_with_a_single_seed_is_not_among_the_seeds_that_show_no_gain():
    results = study({NONE: [0.80, 0.82, 0.81], MIXUP: [0.82, 0.81, 0.80]}).results
    found = Study([NONE, MIXUP, CUTMIX], [*results, result(CUTMIX, 0, 0.9)])
    assert headline(found).startswith("3 seeds show no gain")


def with_chance(chance, shares, **options):
    found = study(shares, **options)
    return Study(found.arms, [replace(each, chance=chance) for each in found.results])


def test_networks_that_have_learnt_nothing_are_not_compared():
    found = with_chance(0.5, {NONE: [0.30] * SEEDS, MIXUP: [0.52] * SEEDS})
    assert headline(found).startswith("Nothing has been learnt yet")
    assert answer(found) == []


def test_nothing_is_compared_to_an_arm_that_has_learnt_nothing():
    found = with_chance(0.14, {NONE: [0.09] * SEEDS, MIXUP: [0.22] * SEEDS})
    assert headline(found).startswith("Training without mixing has learnt nothing yet, so nothing")
    assert answer(found) == []


def test_several_arms_that_are_worse_are_so_in_the_plural():
    arms = {NONE: [0.90, 0.91, 0.89], MIXUP: [0.90, 0.89, 0.91]}
    bad = {CUTMIX: [0.60, 0.61, 0.59], Arm("fmix", 1.0, 5): [0.61, 0.60, 0.59]}
    assert "cutmix α = 1 and fmix α = 1 are worse." in headline(study(arms | bad))


def test_what_is_better_than_the_commonest_class_has_learnt_however_common_that_is():
    shares = {NONE: [0.985, 0.986, 0.984], MIXUP: [0.995, 0.996, 0.995]}
    found = with_chance(0.97, shares, samples=10_000)
    assert headline(found).startswith("mixup α = 0.4 beats training without mixing by 1.0 points")
    assert answer(found)[0].startswith("mixup α = 0.4 beats none by 1.0 points")
    always = with_chance(0.97, {NONE: [0.97] * 3, MIXUP: [0.9701] * 3}, samples=10_000)
    assert not any(map(always.has_learnt, always.arms))


@pytest.mark.parametrize(("samples", "learnt"), [(20_000, True), (200, False)])
def test_values_of_which_little_can_be_foretold_are_learnt_where_the_samples_tell(samples, learnt):
    generator = torch.Generator().manual_seed(0)
    known, unknown = torch.randn(2, samples, 1, generator=generator).double()
    y = 0.28 * known + 0.96 * unknown  # of whose variance 8 % can be foretold
    results = [
        Result(arm.name, seed, values=value_measures(share * known, y), chance=y.std().item())
        for arm, share in ((NONE, 0.20), (MIXUP, 0.28))
        for seed in range(3)
    ]
    found = Study([NONE, MIXUP], results)
    assert any(map(found.has_learnt, found.arms)) == learnt
    mean = replace(results[0], values=value_measures(y.mean().expand_as(y), y))
    assert not Study([NONE], [mean]).has_learnt(NONE)


def test_everything_diverged():
    found = Study([NONE, MIXUP], [failed(NONE, 0), failed(MIXUP, 0)])
    assert len(answer(found)) == 2
    assert headline(found) == "Nothing can be told: no two runs of one seed have ended."


def test_the_tables_hold_what_was_said():
    found = study({NONE: LOW, MIXUP: HIGH})
    frame = found.frame()
    assert frame["seed"].tolist() == [*range(SEEDS), *range(SEEDS)]
    assert frame["accuracy"].tolist() == pytest.approx([*LOW, *HIGH], abs=0.0013)
    differences = {row["measure"]: row for row in found.differences()}
    assert differences["accuracy"]["told"]
    assert differences["accuracy"]["difference"] == pytest.approx(0.2, abs=1e-6)
