"""timm's Mixup and FastCollateMixup, by their own names and calls."""

import numpy as np
import pytest
import timm.data
import torch
from by_hand import batches, digits, train_by_hand, twins
from timm.data.loader import PrefetchLoader
from timm.loss import BinaryCrossEntropy, SoftTargetCrossEntropy
from torch import nn
from torch.utils.data import DataLoader

from vicinal.integrations.timm import FastCollateMixup, Mixup

MODES = ("batch", "pair", "elem")


def train_as_timm(model, mixup_fn, loader, criterion, epochs=1):
    """The middle of timm's train.py."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    model.train()
    for _ in range(epochs):
        for x, target in loader:
            x, target = mixup_fn(x.clone(), target)
            loss = criterion(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("mode", MODES)
def test_a_script_for_timm_equals_the_loop_by_hand(mode):
    model, other = twins()
    arguments = {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "mode": mode, "num_classes": 10}
    torch.manual_seed(3)
    found = train_as_timm(model, Mixup(**arguments), batches(), SoftTargetCrossEntropy(), 3)
    torch.manual_seed(3)
    mixer = Mixup(**arguments).mixer
    expected = train_by_hand(
        other, batches(), mixer, nn.CrossEntropyLoss(label_smoothing=0.1), epochs=3
    )
    assert found == pytest.approx(expected, rel=1e-4)
    assert found[-1] < found[0]
    with torch.no_grad():
        x = digits()[0]
        torch.testing.assert_close(model(x), other(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arguments",
    [
        {"mixup_alpha": 0.4},
        {"mixup_alpha": 0.0, "cutmix_alpha": 1.0},
        {"mixup_alpha": 0.0, "cutmix_minmax": (0.3, 0.6)},
        {"mixup_alpha": 1.0, "cutmix_alpha": 1.0, "switch_prob": 0.2, "prob": 0.7},
    ],
    ids=["mixup", "cutmix", "minmax", "both"],
)
def test_weights_are_distributed_as_timms(mode, arguments):
    """By the means and spreads of many; four deviations, a false alarm in 16,000."""
    arguments = {"mode": mode, "label_smoothing": 0.0, "num_classes": 8} | arguments
    np.random.seed(0)  # noqa: NPY002 (timm draws from it)
    torch.manual_seed(0)

    side, count = 16, 4000

    def weights(mixup):
        weights = []
        for _ in range(count if mode == "batch" else count // 8):
            y = mixup(torch.rand(8, 1, side, side), torch.arange(8))[1]
            own = y.diagonal()
            weights += [own[0]] if mode == "batch" else list(own[:4] if mode == "pair" else own)
        return torch.stack(weights)

    ours, theirs = weights(Mixup(**arguments)), weights(timm.data.Mixup(**arguments))
    for moment in (lambda w: w, lambda w: (w - 0.5) ** 2, lambda w: (w > 0.999).float()):
        a, b = moment(ours), moment(theirs)
        spread = (a.var() / len(a) + b.var() / len(b)).sqrt()
        # In mode pair, timm's both samples of a pair are the same draw; half of ours may be too.
        assert abs(a.mean() - b.mean()) <= 4 * spread * (1.5 if mode == "pair" else 1) + 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_targets_are_those_of_timm(mode):
    mixup = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, mode=mode, label_smoothing=0.1, num_classes=4)
    x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 16, 16).contiguous()
    mixed, y = mixup(x, torch.arange(4))
    assert mixed.data_ptr() == x.data_ptr()  # in place, as in timm
    for row, target in zip(mixed, y, strict=True):
        shares = torch.stack([(row[0] == label).float().mean() for label in range(4)])
        torch.testing.assert_close(target, shares * 0.9 + 0.1 / 4)


def test_several_labels():
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    arguments = {"mixup_alpha": 1.0, "num_classes": 2, "multi_label": True}
    mixed = Mixup(**arguments)(torch.rand(2, 3, 4, 4), y)[1]
    torch.testing.assert_close(mixed.sum(0), torch.tensor([1.0, 1.0]))
    assert 0.05 <= mixed.min() <= mixed.max() <= 0.95
    BinaryCrossEntropy()(torch.zeros(2, 2), mixed)


def test_it_is_switched_off_like_timms():
    mixup = Mixup(num_classes=10)
    x, y = digits(7)
    mixup.mixup_enabled = False
    same, target = mixup(x.clone(), y)
    assert torch.equal(same, x)
    torch.testing.assert_close(target, nn.functional.one_hot(y, 10) * 0.9 + 0.01)
    mixup.mixup_enabled = True
    assert not torch.equal(mixup(x.clone(), y)[0], x)


def test_attributes_may_be_set_later():
    torch.manual_seed(0)
    mixup = Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, num_classes=10)
    x, y = digits(64)
    before = mixup(x.clone(), y)[0]
    mixup.mix_prob = 0.0
    assert torch.equal(mixup(x.clone(), y)[0], x)
    mixup.mix_prob, mixup.switch_prob = 1.0, 1.0
    pasted = mixup(x.clone(), y)[0]
    assert torch.isin(pasted, x).all()  # pasted, not blended
    assert not torch.equal(pasted, x)
    assert mixup.mixer.state_dict()["draws"] == 3
    torch.manual_seed(0)
    again = Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, num_classes=10)
    assert torch.equal(again(x.clone(), y)[0], before)


def images(count=64):
    x, y = digits(count)
    pictures = (x * 255).to(torch.uint8).expand(-1, 3, -1, -1).numpy()
    return [(picture.copy(), int(label)) for picture, label in zip(pictures, y, strict=True)]


@pytest.mark.parametrize("mode", [*MODES, "half"])
def test_collating(mode):
    collate = FastCollateMixup(mixup_alpha=0.4, num_classes=10, mode=mode, label_smoothing=0.0)
    samples = images(16)
    x, y = collate(samples)
    assert x.dtype == torch.uint8
    assert len(x) == len(y) == (8 if mode == "half" else 16)
    # Each image agrees with its targets, if its two classes have one image each.
    whole = np.stack([picture for picture, _ in images(10)]).astype(np.float32)
    x, y = collate(images(10))
    expected = np.einsum("bc,cnhw->bnhw", y.numpy(), whole)
    np.testing.assert_allclose(x.numpy(), expected[: len(x)], atol=0.51)


@pytest.mark.parametrize("workers", [0, 2])
def test_timms_loader_recognises_it(workers):
    def loaded():
        torch.manual_seed(5)
        loader = DataLoader(
            images(), 16, num_workers=workers,
            collate_fn=FastCollateMixup(mixup_alpha=0.8, num_classes=10),
            multiprocessing_context="fork" if workers else None,
        )  # fmt: skip
        return PrefetchLoader(loader, mean=(0.5,) * 3, std=(0.5,) * 3, device=torch.device("cpu"))

    loader = loaded()
    first = [y.clone() for _, y in loader]
    again = [y.clone() for _, y in loaded()]
    assert all(torch.equal(y, y2) for y, y2 in zip(first, again, strict=True))
    assert len({tuple(y.flatten().tolist()) for y in first}) == len(first)
    assert loader.mixup_enabled
    loader.mixup_enabled = False
    for _, y in loader:
        torch.testing.assert_close(y.amax(1), torch.full((len(y),), 0.91))


def test_trains_with_a_network_of_timms():
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=10)
    x, y = digits(64)
    x = nn.functional.interpolate(x, 32).expand(-1, 3, -1, -1)
    loader = [(x, y)] * 12
    losses = train_as_timm(model, Mixup(num_classes=10), loader, SoftTargetCrossEntropy())
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "half"}, "mode must be one of batch, pair, elem, not 'half'"),
        ({"mode": "sample"}, "mode must be one of"),
        ({"correct_lam": False}, "labels are always weighted by area"),
        ({"prob": 1.5}, "prob must be between 0 and 1, not 1.5"),
        ({"switch_prob": -1}, "switch_prob must be between 0 and 1, not -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixup(**arguments)


def test_a_class_out_of_range_raises():
    with pytest.raises(RuntimeError):
        Mixup(num_classes=5)(*digits(64))


def test_a_state_is_restored():
    torch.manual_seed(0)
    mixup = Mixup(num_classes=10)
    x, y = digits(32)
    mixup(x.clone(), y)
    state = mixup.mixer.state_dict()
    _, expected = mixup(x.clone(), y)
    torch.manual_seed(99)
    other = Mixup(num_classes=10)
    other.mixer.load_state_dict(state)
    assert torch.equal(other(x.clone(), y)[1], expected)


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.uint8, torch.float32])
def test_labels_of_any_form_that_timm_takes(kind):
    """Unmixed, and mixed in pairs of one class, where the result does not depend on the draws."""
    y = torch.tensor([[1], [2], [2], [1]])
    for labels in (y, y.flatten(), y[:, :, None]):
        for enabled in (False, True):
            found, expected = Mixup(num_classes=4), timm.data.Mixup(num_classes=4)
            found.mixup_enabled = expected.mixup_enabled = enabled
            labels = labels.clone() if not enabled else torch.full_like(labels, 2)
            mixed = [m(torch.rand(4, 1, 2, 2), labels.to(kind))[1] for m in (found, expected)]
            torch.testing.assert_close(*mixed)


def test_labels_that_timm_does_not_take_either():
    with pytest.raises(
        ValueError, match=r"class indices have shape \(B,\), not \(2, 3\): set multi"
    ):
        Mixup(num_classes=3)(torch.rand(2, 1, 4, 4), torch.eye(3)[:2])
    with pytest.raises(ValueError, match=r"targets have shape \(B, 3\), not \(2,\)"):
        Mixup(num_classes=3, multi_label=True)(torch.rand(2, 1, 4, 4), torch.arange(2))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arguments", [{"mixup_alpha": 0.4}, {"mixup_alpha": 0.4, "cutmix_alpha": 1.0, "switch_prob": 0}]
)
def test_features_without_cutmix(mode, arguments):
    """Rows that are their own label: both must be mixed alike, by ours and by timm's."""
    for kind in (Mixup, timm.data.Mixup):
        x = torch.eye(8)
        mixup = kind(**arguments, mode=mode, label_smoothing=0.0, num_classes=8)
        mixed, y = mixup(x, torch.arange(8))
        torch.testing.assert_close(mixed, y)
        assert not torch.equal(mixed, torch.eye(8))


def test_both_alphas_0():
    x, y = digits(8)
    for kind in (Mixup, timm.data.Mixup):
        mixup = kind(mixup_alpha=0.0, num_classes=10)
        mixup.mixup_enabled = False
        same, target = mixup(x.clone(), y)
        assert torch.equal(same, x)
        torch.testing.assert_close(target, nn.functional.one_hot(y, 10) * 0.9 + 0.01)
        mixup.mixup_enabled = True
        with pytest.raises((ValueError, AssertionError), match=r"both 0|should be true"):
            mixup(x.clone(), y)
        mixup.mixup_alpha = 1.0
        assert not torch.equal(mixup(x.clone(), y)[0], x)


@pytest.mark.parametrize("base", [Mixup, FastCollateMixup])
def test_methods_of_timms_that_are_overridden(base):
    class Half(base):
        def _params_per_batch(self):
            return 0.5, False

    class Named(base):
        def __call__(self, *batch):
            return super().__call__(*batch)

    with pytest.raises(
        TypeError, match=r"Half overrides _params_per_batch, .* timm.data.(Fast|Mixup)"
    ):
        Half(num_classes=10)
    mixup = Named(num_classes=10)
    mixup._params_per_elem = None
    with pytest.raises(TypeError, match="Named overrides _params_per_elem"):
        mixup(images(4)) if base is FastCollateMixup else mixup(*digits(4))


def test_correct_lam_is_set_later():
    mixup = Mixup(num_classes=10)
    mixup.correct_lam = False
    with pytest.raises(ValueError, match="always weighted by area"):
        mixup(*digits(4))


@pytest.mark.parametrize("side", [10, 16, 17])
def test_sides_of_minmax_are_those_of_timm(side):
    """Whole numbers below the largest, and all of them."""
    arguments = {"mixup_alpha": 0.0, "cutmix_minmax": (0.3, 0.6), "label_smoothing": 0.0}

    def sides(kind):
        mixup, found = kind(**arguments, mode="elem", num_classes=8), set()
        for _ in range(60):
            x = torch.arange(8.0).view(-1, 1, 1, 1).expand(-1, 1, side, side).contiguous()
            changed = (mixup(x, torch.arange(8))[0] != torch.arange(8.0).view(-1, 1, 1, 1))[:, 0]
            found.update(changed.any(1).sum(1).tolist(), changed.any(2).sum(1).tolist())
        return found

    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    assert sides(Mixup) == sides(timm.data.Mixup) == {*range(int(side * 0.3), int(side * 0.6))}


def test_samples_with_more_than_image_and_label():
    samples = [(image, label, "name") for image, label in images(4)]
    for kind in (FastCollateMixup, timm.data.FastCollateMixup):
        assert kind(num_classes=10)(samples)[1].shape == (4, 10)
