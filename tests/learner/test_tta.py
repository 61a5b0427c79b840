"""Test-time augmentation, against averages taken by hand."""

import pytest
import torch
from torch import nn

from vicinal import (
    BatchTransform,
    DataLoaders,
    ImageDataLoaders,
    Learner,
    MixUp,
    Normalize,
    VicinalError,
    aug_transforms,
)
from vicinal.data import storage
from vicinal.data.samples import Samples, Split
from vicinal.learner.tta import least_confident


class PlusOne(BatchTransform):
    def train(self, x, generator):
        return x + 1


class Jitter(BatchTransform):
    """Adds noise in training, and records it."""

    def __init__(self):
        self.given = []

    def train(self, x, generator):
        self.given.append(x + torch.rand(x.shape, generator=generator))
        return self.given[-1]


def data(*transforms, seed=0, y=None):
    """Validation has 7 samples in batches of 4: the last batch is not full."""
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1, 2, 0, 1, 2, 0]) if y is None else y
    return DataLoaders.from_tensors(
        x, y, x, y, bs=2, transforms=transforms, seed=seed, device="cpu"
    )


def learner(dls):
    return Learner(dls, nn.Identity())


@pytest.mark.parametrize("n", [1, 4])
def test_the_plain_pass_has_weight_a_quarter(n):
    dls = data(PlusOne(), y=torch.zeros(7, 3))
    values, targets = learner(dls).tta(n=n)
    torch.testing.assert_close(values, dls.valid.dataset.x + 0.75)
    assert torch.equal(targets, torch.zeros(7, 3))


def test_probabilities_are_averaged_over_the_passes():
    jitter = Jitter()
    dls = data(jitter)
    probabilities, targets = learner(dls).tta(n=3)
    seen = torch.cat(jitter.given).softmax(1).view(3, 7, 3)
    plain = dls.valid.dataset.x.softmax(1)
    torch.testing.assert_close(probabilities, 0.75 * seen.mean(0) + 0.25 * plain)
    assert torch.equal(targets, dls.valid.dataset.y)
    noise = torch.cat(jitter.given).view(3, 7, 3) - dls.valid.dataset.x
    assert len(noise.flatten().unique()) == noise.numel()  # every sample and pass draws its own


class Counting(nn.Identity):
    """Counts the samples that it sees."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def forward(self, x):
        self.seen += len(x)
        return x


@pytest.mark.parametrize(("share", "count"), [(0.5, 4), (0.3, 2), (0.01, 1), (0.999, 7)])
def test_only_the_least_confident_samples_get_views(share, count):
    jitter = Jitter()
    dls, model = data(jitter), Counting()
    plain = learner(dls).get_preds()[0]
    values, targets = Learner(dls, model).tta(n=3, uncertain=share)
    chosen = plain.amax(1) <= plain.amax(1).sort()[0][count - 1]
    assert chosen.sum() == count
    seen = torch.cat(jitter.given)  # no other sample was augmented
    views = seen.softmax(1).view(3, count, 3)
    torch.testing.assert_close(values[chosen], 0.75 * views.mean(0) + 0.25 * plain[chosen])
    noise = seen.view(3, count, 3) - dls.valid.dataset.x[chosen]
    assert 0 <= noise.min() < noise.max() <= 1
    assert torch.equal(values[~chosen], plain[~chosen])
    assert torch.equal(targets, dls.valid.dataset.y)
    assert model.seen == 7 + 3 * count


def test_as_many_are_chosen_where_all_are_alike():
    """As where a network is so sure that every probability is rounded to 1."""
    alike = torch.tensor([[1.0, 0.0]]).repeat(10, 1)
    assert least_confident(alike, 0.2).nonzero().flatten().tolist() == [0, 1]


@pytest.mark.parametrize("share", [0, -0.2, 1.01, 20, float("nan"), "0.2", None])
def test_what_is_no_share(share):
    with pytest.raises(VicinalError, match=r"uncertain must be the share .* up to 1, not"):
        learner(data(Jitter())).tta(uncertain=share)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.BCEWithLogitsLoss()])
def test_only_classes_have_a_confidence(loss):
    dls = data(Jitter(), y=torch.zeros(7, 3))
    with pytest.raises(VicinalError, match="needs the probabilities of classes of which each"):
        Learner(dls, nn.Identity(), loss).tta(uncertain=0.5)
    assert dls.valid.sampler.epoch == 0
    assert Learner(dls, nn.Identity(), loss).tta()[0].shape == (7, 3)


def test_only_the_seed_of_the_data_matters():
    learn = Learner(data(Jitter()), nn.Linear(3, 3))
    first = learn.tta(n=2)[0]
    learn.fit(1, 0.0)
    learn.validate()
    assert torch.equal(learn.tta(n=2)[0], first)
    assert not torch.equal(Learner(data(Jitter(), seed=1), learn.model).tta(n=2)[0], first)


def test_no_other_state_changes():
    dls = data(Jitter())
    learn = Learner(dls, nn.Sequential(nn.BatchNorm1d(3)), cbs=MixUp(seed=0))
    transforms = list(dls.valid.transforms)
    before = torch.get_rng_state(), dls.one_batch()[0]
    learn.tta()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(dls.one_batch()[0], before[1])
    assert (dls.train.sampler.epoch, dls.valid.sampler.epoch) == (0, 0)
    assert dls.valid.transforms == transforms
    assert learn.model[0].num_batches_tracked == 0
    assert learn.cbs[0].mixer.random.draws == 0
    assert learn.model[0].training


def test_a_pass_that_fails_changes_no_state():
    class Broken(BatchTransform):
        def train(self, x, generator):
            raise RuntimeError("broken")

    dls = data(Broken())
    with pytest.raises(RuntimeError, match="broken"):
        learner(dls).tta()
    assert dls.valid.sampler.epoch == 0


def images(**kwargs):
    """Images stored at 16 pixels, which the network sees at 8."""
    g = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (10, 3, 16, 16), dtype=torch.uint8, generator=g)
    part = Samples(pixels, [0, 1] * 5)
    tfms = aug_transforms(size=8, min_scale=0.5)
    return ImageDataLoaders.from_split(
        Split(part, part, ["a", "b"]), item_size=16, batch_tfms=tfms, bs=4, device="cpu", **kwargs
    )


def test_images_that_are_stored_larger_than_the_network_sees_them():
    learn = Learner(images(), nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)))
    probabilities, targets = learn.tta()
    assert targets.tolist() == [0, 1] * 5
    torch.testing.assert_close(probabilities.sum(1), torch.ones(10))
    assert not torch.allclose(probabilities, learn.get_preds()[0])


def test_images_that_worker_processes_read(monkeypatch):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    expected = Learner(images(), model).tta(n=2)[0]
    monkeypatch.setattr(storage, "MEMORY_SHARE", 0)
    streamed = Learner(images(workers=1), model)
    torch.testing.assert_close(streamed.tta(n=2)[0], expected)
    half = Learner(images(), model).tta(n=2, uncertain=0.5)[0]
    torch.testing.assert_close(streamed.tta(n=2, uncertain=0.5)[0], half)
    assert not torch.allclose(half, expected)


@pytest.mark.parametrize("transforms", [
    [], [BatchTransform()], [Normalize([0.5] * 3, [0.5] * 3)]
])  # fmt: skip
def test_without_random_augmentation_there_is_nothing_to_average(transforms):
    with pytest.raises(VicinalError, match=r"no random augmentation.*aug_transforms\(\)"):
        learner(data(*transforms)).tta()


def test_there_is_at_least_one_view():
    with pytest.raises(VicinalError, match="must be 1 or more, not 0"):
        learner(data(Jitter())).tta(n=0)


class TestFastaisArguments:
    def test_other_samples(self):
        dls, other = data(PlusOne()), data(y=torch.tensor([0, 1, 2, 0, 1, 2, 2]))
        probabilities, targets = learner(dls).tta(dl=other.valid)
        assert torch.equal(probabilities, learner(dls).tta()[0])
        assert torch.equal(targets, other.valid.dataset.y)

    def test_samples_without_targets(self):
        dls = data(PlusOne())
        test = dls.test_dl(dls.valid.dataset.x)
        plain = dls.valid.dataset.x.softmax(1)
        found, targets = learner(dls).tta(dl=test)
        assert targets is None
        torch.testing.assert_close(found, plain)  # softmax ignores that one is added
        torch.testing.assert_close(learner(dls).tta(dl=test, uncertain=0.3)[0], plain)

    def test_the_training_part(self):
        dls = data(PlusOne())
        assert torch.equal(learner(dls).tta(0)[0], learner(dls).tta(1)[0])
        with pytest.raises(VicinalError, match=r"to get 3 views, write tta\(n=3\)"):
            learner(dls).tta(3)

    @pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
    def test_the_weight_of_the_plain_pass(self, beta):
        dls = data(PlusOne(), y=torch.zeros(7, 3))
        values, _ = learner(dls).tta(beta=beta)
        torch.testing.assert_close(values, dls.valid.dataset.x + 1 - beta)

    def test_the_largest(self):
        dls = data(PlusOne(), y=torch.zeros(7, 3))
        assert torch.equal(learner(dls).tta(use_max=True)[0], dls.valid.dataset.x + 1)

    @pytest.mark.parametrize(("how", "message"), [
        ({"beta": 1.5}, "beta must be the weight .*, 0 to 1, not 1.5"),
        ({"beta": None}, "0 to 1, not None"),
        ({"dl": [(torch.zeros(2, 3), torch.zeros(2))]}, "a list of batches has no views"),
    ])  # fmt: skip
    def test_what_is_refused(self, how, message):
        with pytest.raises(VicinalError, match=message):
            learner(data(PlusOne())).tta(**how)
