"""Sample weights, indices and names beside x and y: each counts with its target, or is refused."""

from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F

from vicinal import BatchMixer, Choice, CutMix, ManifoldMixUp, MixCollate, MixUp, Remix, Schedule

G = torch.Generator().manual_seed(0)
X, Y = torch.rand(6, 4, generator=G), torch.arange(6) % 3
WEIGHT = torch.tensor([1.0, 0.0, 2.0, 0.0, 1.0, 0.5])
OUTPUT, VALUES = torch.randn(6, 3, generator=G), torch.randn(6, generator=G)


def by_hand(losses, own, weight=WEIGHT, mixer=None):
    """The mean of each sample's two losses, each times the weight of its own target."""
    mix = (MixUp(seed=0) if mixer is None else mixer).draw(X, own)
    total = 0.0
    for i, (lam, j) in enumerate(zip(mix.weight, mix.partner, strict=True)):
        total += lam * losses(i, own[i]) * weight[i] + (1 - lam) * losses(i, own[j]) * weight[j]
    return total / len(X)


def class_loss(i, label):
    return F.cross_entropy(OUTPUT[i : i + 1], label[None])


def value_loss(i, value):
    return (OUTPUT[i, 0] - value).abs()


def weighted(label, weight):
    return (F.cross_entropy(OUTPUT, label, reduction="none") * weight).mean()


NAMES = """sample_weight Sample_Weights loss_weight sample-weight sampleWeight importance_weights
target_weight class_weight per_sample_weight loss_mask"""


@pytest.mark.parametrize("name", NAMES.split())
@pytest.mark.parametrize("target", [None, "label", ("label",)])
def test_sample_weights_of_a_dict_count_with_their_target(name, target):
    batch = BatchMixer(MixUp(seed=0), target)({"x": X, "label": Y, name: WEIGHT})
    torch.testing.assert_close(weighted(batch["label"], batch[name]), by_hand(class_loss, Y))
    torch.testing.assert_close(batch["x"], MixUp(seed=0)(X, Y)[0])
    assert list(batch) == ["x", "label", name]


@pytest.mark.parametrize("shape", [(6, 1), (6, 1, 1)])
def test_sample_weights_of_any_shape(shape):
    batch = BatchMixer(MixUp(seed=0))({"x": X, "label": Y, "sample_weight": WEIGHT.view(shape)})
    found = weighted(batch["label"], batch["sample_weight"].flatten())
    torch.testing.assert_close(found, by_hand(class_loss, Y))


def test_sample_weights_of_a_tuple_are_named_by_target():
    _, value, weight = BatchMixer(MixUp(seed=0), (1, 2))((X, VALUES, WEIGHT))
    found = (F.l1_loss(OUTPUT[:, 0], value, reduction="none") * weight).mean()
    torch.testing.assert_close(found, by_hand(value_loss, VALUES))


def test_sample_weights_of_named_tuples_and_nested_inputs():
    kind = namedtuple("Batch", "x label sample_weight")
    batch = BatchMixer(MixUp(seed=0))(kind(X, Y, WEIGHT))
    expected = by_hand(class_loss, Y)
    torch.testing.assert_close(weighted(batch.label, batch.sample_weight), expected)
    inputs, label = BatchMixer(MixUp(seed=0))(({"x": X, "sample_weight": WEIGHT}, Y))
    torch.testing.assert_close(weighted(label, inputs["sample_weight"]), expected)
    torch.testing.assert_close(inputs["x"], batch.x)
    # Naming the dict around it does not make it an input.
    parts = {"x": X, "sample_weight": WEIGHT}, X, Y
    inputs, _, label = BatchMixer(MixUp(seed=0, fields=0), 2)(parts)
    torch.testing.assert_close(weighted(label, inputs["sample_weight"]), expected)
    # Its own name or position does.
    for name, field in ((None, "sample_weight"), ("label", 2)):
        part = kind(X, Y, WEIGHT) if name else {"x": X, "label": Y, "sample_weight": WEIGHT}
        found = BatchMixer(MixUp(seed=0, fields=[field]), name)(part)
        found = found[2] if name else found["sample_weight"]
        assert type(found) is torch.Tensor
        assert not torch.equal(found, WEIGHT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice([MixUp(), MixUp(1.0)], seed=0),
        lambda: Schedule(MixUp(), steps=9, until=1.0, seed=0),
        lambda: ManifoldMixUp(torch.nn.Sequential(torch.nn.Linear(4, 4)), "0", seed=0),
    ],
    ids=["choice", "schedule", "manifoldmixup"],
)
def test_other_mixers(make):
    batch = BatchMixer(make())({"x": X, "label": Y, "sample_weight": WEIGHT})
    mixer = make()
    expected = by_hand(class_loss, Y, mixer=mixer)
    torch.testing.assert_close(weighted(batch["label"], batch["sample_weight"]), expected)


def test_a_mixer_that_reads_one_target():
    with pytest.raises(TypeError, match="Remix needs class indices of shape"):
        BatchMixer(Remix([9, 9, 1]))({"x": X, "label": Y, "sample_weight": WEIGHT})


def test_a_weight_for_each_pixel_is_pasted_where_its_mask_is():
    image, masks = torch.rand(4, 3, 8, 8), torch.arange(256).view(4, 8, 8)
    batch = {"image": image, "label": masks, "weight_map": masks / 256}
    mixed = BatchMixer(CutMix(seed=0))(batch)
    assert torch.equal(mixed["weight_map"], mixed["label"] / 256)
    assert not torch.equal(mixed["label"], masks)


def test_an_index_counts_with_its_target():
    batch = BatchMixer(MixUp(seed=0))({"x": X, "label": Y, "index": torch.arange(6)})
    assert batch["index"].tolist() == [*range(6)]  # to record losses by
    found = weighted(batch["label"], WEIGHT[batch["index"]])
    torch.testing.assert_close(found, by_hand(class_loss, Y))


def test_an_index_that_the_mixer_is_told_about_is_left_to_it():
    index = torch.arange(6)
    batch = {"x": X, "label": Y, "index": index}
    assert BatchMixer(MixUp(integers="leave"))(batch)["index"] is index
    assert BatchMixer(MixUp(maximum="index"))(batch)["index"].dtype == torch.int64


def test_names_of_files_stay_as_they_are():
    names = [*"abcdef"]
    x, y, found = MixCollate(MixUp(seed=0))([*zip(X, Y, names, strict=True)])
    assert [*found] == names
    torch.testing.assert_close(x, MixUp(seed=0)(X, Y)[0])
    assert torch.equal(y.partner, MixUp(seed=0)(X, Y)[1].partner)


@pytest.mark.parametrize(
    "batch",
    [
        (X, VALUES, WEIGHT),
        (X, Y, torch.arange(6)),
        (X, X[:, 0], Y),
        [X, X, Y, WEIGHT],
        (X, F.one_hot(Y).float(), torch.arange(6)),
        (X, VALUES, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ],
)
def test_a_longer_tuple_says_which_entries_are_targets(batch):
    with pytest.raises(ValueError, match=r"parts, at .* say target=\d if the last.*target=\(\d"):
        BatchMixer(MixUp())(batch)


def test_several_inputs_are_told_by_target():
    mixed = MixUp(seed=0)((X, X[:, 0]), Y)
    batch = BatchMixer(MixUp(seed=0), target=-1)((X, X[:, 0], Y))
    torch.testing.assert_close(batch[:2], mixed[0])
    assert torch.equal(batch[2].partner, mixed[1].partner)


def test_targets_may_be_named_in_a_list():
    _, y, weight = BatchMixer(MixUp(seed=0), [1, 2])((X, Y, WEIGHT))
    torch.testing.assert_close(weighted(y, weight), by_hand(class_loss, Y))


def test_a_weight_called_w_may_be_an_input():
    kind = namedtuple("Batch", "x y w")
    for batch in ({"x": X, "y": Y, "w": WEIGHT}, kind(X, Y, WEIGHT)):
        with pytest.raises(ValueError, match="holds 'w': call it sample_weight if"):
            BatchMixer(MixUp())(batch)
    size = {"x": X, "y": Y, "w": torch.full((6,), 640), "h": torch.full((6,), 480)}
    assert torch.equal(BatchMixer(MixUp(integers="leave"))(size)["w"], size["w"])


def test_a_weight_that_may_be_an_input():
    batch = {"height": torch.rand(6), "weight": WEIGHT, "label": Y}
    with pytest.raises(ValueError, match=r"holds 'weight': .* in target= beside 'label'; if it is"):
        BatchMixer(MixUp())(batch)
    for weight, fields in ((WEIGHT, "height"), (WEIGHT.tolist(), None)):
        with pytest.raises(ValueError, match="holds 'weight'"):
            BatchMixer(MixUp(fields=fields))(batch | {"weight": weight})
    as_target = BatchMixer(MixUp(seed=0), ("label", "weight"))(batch)
    found = weighted(as_target["label"], as_target["weight"])
    torch.testing.assert_close(found, by_hand(class_loss, Y))
    as_input = BatchMixer(Choice([MixUp(fields=["height", "weight"])], seed=0))(batch)
    assert type(as_input["weight"]) is torch.Tensor
    assert not torch.equal(as_input["weight"], WEIGHT)


@pytest.mark.parametrize(
    ("batch", "target"),
    [
        ((X, Y, [1.0] * 6), (1, 2)),
        ({"x": X, "label": Y, "sample_weight": [1.0] * 6}, None),
        ({"x": X, "label": [0, 1, 2, 0, 1, 2]}, None),
    ],
)
def test_targets_as_lists_of_numbers(batch, target):
    with pytest.raises(ValueError, match="of numbers, which cannot be mixed: let the collate_fn"):
        BatchMixer(MixUp(), target)(batch)


def test_a_number_beside_targets_stays():
    batch = BatchMixer(MixUp())({"x": X, "label": Y, "sample_weight": 0.5, "weight": None})
    assert (batch["sample_weight"], batch["weight"]) == (0.5, None)
    assert BatchMixer(MixUp())((X, (Y, 0.5)))[1][1] == 0.5
