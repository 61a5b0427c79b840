"""docs/losses.md says what the installed packages do, and nothing is wrong in silence."""

import pytest

from losses.page import SECTIONS, entries_of, heading, on_page, table, verdicts, version, zoo_of
from losses.verdict import ERROR, WRONG

# Wrong today, each with the reason. The list is strict: what is put right must leave it.
KNOWN_WRONG = {
    "of_torch": {
        "LinearCrossEntropyLoss(4, 4, weight=w, ignore_index=2)": "A2: MixLoss takes a plain mean",
    },
    "of_monai": {
        "DiceLoss(to_onehot_y=True, softmax=True, batch=True)": "A3: one for each class",
        "MCCLoss(to_onehot_y=True, softmax=True, batch=True)": "A3: one for each class",
        "LogHausdorffDTLoss(to_onehot_y=True, softmax=True)": "A2: the logarithm of the mean",
    },
    "of_kornia": {
        "HausdorffERLoss()": "A3: one for each class",
    },
    "of_fastai": {
        "CrossEntropyLossFlat(weight=w)": "A2: MixLoss takes a plain mean",
        "CrossEntropyLossFlat(ignore_index=2)": "A2: MixLoss takes a plain mean",
        "LabelSmoothingCrossEntropy(weight=w)": "A2: MixLoss takes a plain mean",
    },
    "of_torchmetrics": {
        "CriticalSuccessIndex(threshold=0.0)": "counts by shares are truncated by .int()",
        "critical_success_index(…, threshold=0.0)": "counts by shares are truncated by .int()",
    },
    "metrics_of_ignite": {
        "Accuracy()": "B: a float is added to an integer counter",
        "Accuracy(is_multilabel=True)": "B: a float is added to an integer counter",
        "TopKCategoricalAccuracy(k=2)": "B: a float is added to an integer counter",
        "Perplexity()": "B: a float is added to an integer counter",
        "MultiLabelConfusionMatrix(4)": "B: a float is added to an integer counter",
    },
}


@pytest.fixture(params=SECTIONS)
def section(request):
    pytest.importorskip(zoo_of(request.param).MODULE)
    return request.param


def _is_other_version(section):
    return version(section) != on_page(section)[0]


def test_the_page_says_what_is_found(section):
    page, found = on_page(section)[1], table(section)
    new = [f"+ {row}" for row in found if row not in page]
    gone = [f"- {row}" for row in page if row not in found]
    message = "\n".join([heading(section), *gone, *new])
    if (gone or new) and _is_other_version(section):
        pytest.skip(f"the page is of another version: {message}")
    assert page == found, f"run `python -m tests.losses`: {message}"


def test_every_public_loss_is_in_the_table(section):
    zoo = zoo_of(section)
    known = {entry.name for entry in entries_of(zoo)} | set(zoo.NOT_APPLICABLE)
    missing = zoo.public() - known
    message = f"{heading(section)} has no entry in tests/losses/zoo for {sorted(missing)}"
    if missing and _is_other_version(section):
        pytest.skip(message)
    assert not missing, message


def test_nothing_is_wrong_in_silence(section):
    wrong = {
        entry.shown: why for entry, found, why in verdicts(section) if {WRONG, ERROR} & set(found)
    }
    known = KNOWN_WRONG.get(section, {})
    new = "\n".join(f"{name}: {wrong[name]}" for name in wrong.keys() - known.keys())
    assert not new, f"wrong: {new}"
    right = known.keys() - wrong.keys()
    assert not right or _is_other_version(section), f"right now: take it from the list: {right}"


def test_every_known_fault_is_of_an_entry():
    for section, faults in KNOWN_WRONG.items():
        assert faults.keys() <= {entry.shown for entry in entries_of(zoo_of(section))}
