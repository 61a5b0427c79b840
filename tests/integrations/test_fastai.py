"""Mixing in fastai's Learner."""

import copy
import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from by_hand import (
    assert_same_weights,
    batches,
    digits,
    half_mixed,
    remix,
    scheduled,
    small_network,
    train_by_hand,
    twins,
)
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai
    from fastai.vision.learner import vision_learner

from PIL import Image

from vicinal import CutMix, ManifoldMixUp, MixLoss, MixUp, SmoothMix, accuracy
from vicinal.integrations.fastai import Mix

pytestmark = pytest.mark.filterwarnings("ignore")


class Seen(fastai.Callback):
    """Records the inputs of the model and of the loss."""

    order = 20

    def before_fit(self):
        self.losses, self.inputs, self.targets = [], {True: [], False: []}, {True: [], False: []}

    def before_batch(self):
        self.inputs[self.training].append([x.clone() for x in self.xb])
        self.targets[self.training].append(self.yb)

    def after_loss(self):
        if self.training:
            self.losses.append(self.loss.item())


# torch's, so that a loop by hand can be equal.
sgd = functools.partial(fastai.OptimWrapper, opt=torch.optim.SGD)


def learner(model, mixer, loader=None, valid=None, criterion=None, **options):
    loader = loader or batches()
    dls = fastai.DataLoaders(loader, valid or loader)
    criterion = nn.CrossEntropyLoss() if criterion is None else criterion
    learn = fastai.Learner(
        dls, model, criterion, opt_func=sgd, lr=0.1, cbs=[Mix(mixer), Seen()],
        train_bn=False, **options
    )  # fmt: skip
    learn.no_bar().__enter__()
    learn.logger = lambda row: None
    return learn


@pytest.mark.parametrize("make", [MixUp, CutMix, remix], ids=["mixup", "cutmix", "remix"])
def test_equals_the_loop_by_hand_step_by_step(make):
    model, other = twins()
    learn = learner(model, make(seed=0))
    learn.fit(3)
    expected = train_by_hand(other, batches(), make(seed=0), epochs=3)
    assert learn.seen.losses == expected
    assert expected[-1] < 0.7 * expected[0]
    assert_same_weights(model, other)


@pytest.mark.parametrize(
    "criterion",
    [
        fastai.CrossEntropyLossFlat(),
        fastai.CrossEntropyLossFlat(weight=torch.linspace(0.5, 2, 10)),
        fastai.LabelSmoothingCrossEntropy(),
        fastai.LabelSmoothingCrossEntropyFlat(),
        fastai.FocalLossFlat(),
        F.cross_entropy,
    ],
    ids=lambda loss: getattr(loss, "__name__", type(loss).__name__),
)
def test_fastais_losses_are_exact(criterion):
    x, y = digits(64)
    model = small_network()
    learn = learner(model, MixUp(seed=0), [(x, y)], criterion=criterion)
    learn.fit(1)
    other = small_network().train()
    x, y = MixUp(seed=0)(x, y)
    output = other(x)
    each = [
        weight * criterion(output[i : i + 1], y.own[i : i + 1])
        + (1 - weight) * criterion(output[i : i + 1], y.partner[i : i + 1])
        for i, weight in enumerate(y.weight)
    ]
    expected = torch.stack(each).mean()
    if getattr(getattr(criterion, "func", None), "weight", None) is not None:
        plain = nn.CrossEntropyLoss(torch.linspace(0.5, 2, 10))
        expected = MixLoss(plain)(output, y)
    torch.testing.assert_close(torch.tensor(learn.seen.losses[0]), expected.detach())


def test_a_schedule_knows_the_length_of_the_training():
    model, other = twins()
    learn = learner(model, half_mixed())
    learn.fit(2)
    assert learn.seen.losses == train_by_hand(other, batches(), scheduled(10), epochs=2)


def test_validation_is_not_mixed():
    learn = learner(small_network(), MixUp(seed=0), valid=batches(64))
    learn.fit(2)
    for (x,), (y,) in zip(learn.seen.inputs[False], learn.seen.targets[False], strict=True):
        assert torch.equal(x, digits(64)[0])
        assert torch.equal(y, digits(64)[1])
    assert not torch.equal(learn.seen.inputs[True][0][0], digits(64)[0])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Digits as image files in class folders."""
    folder = tmp_path_factory.mktemp("digits")
    x, y = digits(160)
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        (folder / str(int(label))).mkdir(exist_ok=True)
        pixels = np.kron((image[0].numpy() * 255).astype(np.uint8), np.ones((4, 4), np.uint8))
        Image.fromarray(pixels).convert("RGB").save(folder / str(int(label)) / f"{number}.png")
    return folder


def tiny(*_, **__):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def test_everything_works_afterwards(pictures, tmp_path):
    """predict, get_preds, interpretation and export, which fail after fastai's own MixUp."""
    dls = fastai.ImageDataLoaders.from_folder(pictures, valid_pct=0.2, seed=0, bs=32, num_workers=0)
    learn = fastai.Learner(
        dls, tiny(), metrics=fastai.accuracy, cbs=Mix(MixUp(seed=0)), path=tmp_path
    )
    loss = learn.loss_func
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(2, 1e-2)
        assert learn.loss_func is loss
        name, _, probabilities = learn.predict(next(pictures.glob("3/*.png")))
        assert name in dls.vocab
        torch.testing.assert_close(probabilities.sum(), torch.tensor(1.0))
        output, targets, losses = learn.get_preds(with_loss=True)
        torch.testing.assert_close(
            losses, F.nll_loss(output.log(), targets.long(), reduction="none"), rtol=1e-3, atol=1e-4
        )
        matrix = fastai.ClassificationInterpretation.from_learner(learn).confusion_matrix()
        assert matrix.sum() == len(dls.valid_ds)
        learn.export("model.pkl")
        loaded = fastai.load_learner(tmp_path / "model.pkl")
        with loaded.no_bar():
            assert loaded.predict(next(pictures.glob("3/*.png")))[0] == name
        draws = learn.mix.mixer.state_dict()["draws"]
        learn.validate()
        assert learn.mix.mixer.state_dict()["draws"] == draws
        learn.fit(1)  # a second training
        learn.lr_find(num_it=8, show_plot=False)


def test_an_exported_learner_continues_with_the_same_draws(tmp_path):
    whole, other = small_network(), small_network()
    learn = learner(whole, MixUp(seed=0))
    learn.fit(2)
    first = learner(other, MixUp(seed=0))
    first.fit(1)
    state = first.mix.mixer.state_dict()
    second = learner(other, MixUp(seed=0))
    second.mix.mixer.load_state_dict(state)
    second.fit(1)
    assert_same_weights(other, whole)
    assert first.seen.losses + second.seen.losses == learn.seen.losses[-10:]


@pytest.mark.parametrize("fit", ["fit", "fit_one_cycle"])
def test_a_schedule_goes_on_with_a_training_that_goes_on(fit):
    learn = learner(small_network(), half_mixed())
    getattr(learn, fit)(4, start_epoch=1)
    mixed = [bool((y.weight < 1).any()) for (y,) in learn.seen.targets[True]]
    assert mixed == [True] * 5 + [False] * 10
    # From the state that was saved beside the weights, as the page says.
    first, second = (learner(small_network(), half_mixed()) for _ in range(2))
    first.add_cb(fastai.TerminateOnNaNCallback()).fit(1)
    second.mix.mixer.load_state_dict({"seed": 0, "draws": 5})
    second.fit(4, start_epoch=1)
    assert [bool((y.weight < 1).any()) for (y,) in second.seen.targets[True]] == mixed


def test_scores_of_all_training_samples_are_of_own_labels():
    _, y = digits(128)
    metrics = [fastai.F1Score(average="macro"), accuracy]
    learn = learner(small_network(), MixUp(seed=0), metrics=metrics, loader=batches(128))
    learn.recorder.train_metrics = True
    learn.fit(1, 0.0)
    model, mixer = small_network().train(), MixUp(seed=0)
    predicted = [model(mixer(*each)[0]).argmax(1) for each in batches(128)]
    expected = f1_score(y, torch.cat(predicted), average="macro")
    assert learn.recorder.values[-1][1] == pytest.approx(expected)
    assert "accumulate" not in vars(learn.metrics[0])


def test_an_exported_learner_is_without_what_mixes_inside_of_the_model(tmp_path):
    learn = learner(small_network(), MixUp())
    learn.remove_cbs(learn.cbs.filter(lambda cb: isinstance(cb, (Mix, Seen))))
    learn.add_cb(Mix(ManifoldMixUp(learn.model, "2", seed=0)))
    learn.fit(1)
    with pytest.raises(ValueError, match="belongs to the model that it was made for"):
        copy.deepcopy(learn).fit(1)
    learn.fit(1)  # itself still can


def test_a_training_that_fails_leaves_the_learner_as_it_was():
    class Broken(fastai.Callback):
        def after_batch(self):
            if self.iter == 2:
                raise KeyboardInterrupt

    learn = learner(small_network(), MixUp(seed=0))
    loss, model = learn.loss_func, learn.model
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, cbs=Broken())
    assert learn.loss_func is loss
    assert learn.model is model
    learn.validate(dl=batches())


def test_segmentation():
    torch.manual_seed(0)
    x, masks = torch.rand(32, 3, 16, 16), torch.randint(3, (32, 16, 16))
    for mixer in (MixUp(seed=0), CutMix(seed=0), SmoothMix(seed=0)):
        loader = DataLoader(TensorDataset(x, masks), 16)
        model = nn.Conv2d(3, 3, 3, padding=1)
        learn = learner(model, mixer, loader, criterion=fastai.CrossEntropyLossFlat(axis=1))
        learn.fit(2)
        assert np.isfinite(learn.seen.losses).all()


def test_values_and_several_labels():
    x, y = digits(128)
    for criterion, plain, target in (
        (fastai.MSELossFlat(), nn.MSELoss(), torch.randn(128, 10)),
        (fastai.BCEWithLogitsLossFlat(), nn.BCEWithLogitsLoss(), F.one_hot(y, 10).float()),
    ):
        loader = DataLoader(TensorDataset(x, target), 64)
        model, other = twins()
        learn = learner(model, MixUp(seed=0), loader, criterion=criterion)
        learn.fit(1)
        expected = train_by_hand(other, loader, MixUp(seed=0), plain)
        assert learn.seen.losses == pytest.approx(expected, rel=1e-5)


def test_several_inputs_and_targets():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.row = small_network(), nn.Linear(3, 10)

        def forward(self, image, row):
            return self.image(image) + self.row(row)

    x, y = digits(128)
    row, value = torch.rand(128, 3), torch.rand(128, 10)
    dls = fastai.DataLoaders(*[DataLoader(TensorDataset(x, row, y, value), 64)] * 2)
    dls.n_inp = 2

    def both(output, label, value):
        return F.cross_entropy(output, label) + F.mse_loss(output, value)

    learn = fastai.Learner(dls, Two(), both, opt_func=sgd, lr=0.1, cbs=[Mix(MixUp(seed=0)), Seen()])
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    (image, line), (label, _) = learn.seen.inputs[True][0], learn.seen.targets[True][0]
    weight = label.weight
    mix = MixUp(seed=0).draw(x[:64])
    torch.testing.assert_close(weight, mix.weight)
    torch.testing.assert_close(image, mix(x[:64]))
    torch.testing.assert_close(line, mix(row[:64]))


def test_half_precision_and_training_metrics():
    learn = learner(small_network(), MixUp(seed=0), metrics=fastai.accuracy)
    learn.recorder.train_metrics = True
    learn.to_bf16() if hasattr(learn, "to_bf16") else None
    learn.fit(2)
    assert learn.seen.losses[-1] < learn.seen.losses[0]
    assert 0 <= learn.recorder.values[-1][1] <= 1


def shares(output, y, mixer):
    """The mean share of the labels that are right."""
    mix = mixer.draw(output, y)
    right = (output.argmax(1) == y).float(), (output.argmax(1) == y[mix.partner]).float()
    return (mix.weight * right[0] + (1 - mix.weight) * right[1]).mean()


def test_accuracy_of_the_training_part():
    """fastai's makes TensorBase of the predictions, whose `==` asks it alone: own labels."""
    x, y = digits(64)
    metrics = [fastai.accuracy, accuracy]
    learn = learner(small_network(), MixUp(1.0, seed=0), [(x, y)], metrics=metrics)
    learn.recorder.train_metrics = True
    learn.fit(1, 0.0)
    output = small_network().train()(MixUp(1.0, seed=0)(x, y)[0])
    own = (output.argmax(1) == y).float().mean()
    expected = torch.stack([own, shares(output, y, MixUp(1.0, seed=0))])
    torch.testing.assert_close(torch.tensor(learn.recorder.values[-1][1:3]), expected)
    assert expected[0] != expected[1]


def test_predictions_of_fastais_tensor_classes():
    """`==` asks its left operand alone; all else asks both. The page says so."""
    x, y = digits(64)
    target = Mix(MixUp(1.0, seed=0)).mix.mix_xy(x, y)[1]
    output = fastai.TensorBase(torch.randn(64, 10))
    expected = shares(output.as_subclass(torch.Tensor), y, MixUp(1.0, seed=0))
    pred = output.argmax(1)
    torch.testing.assert_close((target == pred).float().mean(), expected)
    torch.testing.assert_close(torch.eq(pred, target).float().mean(), expected)
    found = F.cross_entropy(output, target)
    torch.testing.assert_close(found, F.cross_entropy(torch.tensor(output.tolist()), target))


def test_mixing_inside_of_the_model():
    model, other = twins()
    learn = learner(model, ManifoldMixUp(model, ["input", "2"], seed=0))
    learn.fit(1)
    mixer = ManifoldMixUp(other, ["input", "2"], seed=0)
    assert learn.seen.losses == train_by_hand(other, batches(), mixer)
    assert not model._forward_pre_hooks


@pytest.mark.parametrize("layer", ["layers.0", "layers.0.0"])
def test_tables_are_mixed_inside_of_the_model(layer):
    """The losses are those of a twin whose hidden states are blended by hand."""
    from fastai.tabular import all as tabular

    frame = pd.DataFrame({
        "color": list("abcd") * 15, "size": np.arange(60.0), "label": ["no", "yes", "yes"] * 20,
    })  # fmt: skip
    dls = tabular.TabularDataLoaders.from_df(
        frame, procs=[tabular.Categorify, tabular.Normalize], cat_names=["color"],
        cont_names=["size"], y_names="label", y_block=tabular.CategoryBlock(), bs=16,
        valid_idx=range(48, 60), device="cpu",
    )  # fmt: skip
    alone, compared = MixUp(2.0, seed=0), []

    class ByHand(fastai.Callback):
        order = 9  # before Mix
        run_valid = False

        def before_batch(self):
            categories, numbers, label = *self.learn.xb, self.learn.yb[0]
            mix = alone.draw(numbers)
            weight = mix.weight[:, None]
            twin = copy.deepcopy(self.learn.model)
            twin.get_submodule(layer).register_forward_hook(
                lambda module, args, h: weight * h + (1 - weight) * h[mix.partner]
            )
            output, label = twin(categories, numbers), torch.Tensor(label).long().flatten()
            targets = label, label[mix.partner]
            own, partner = (F.cross_entropy(output, t, reduction="none") for t in targets)
            self.expected = (mix.weight * own + (1 - mix.weight) * partner).mean().item()

        def after_loss(self):
            if self.learn.training:
                compared.append((self.learn.loss.item(), self.expected))

    learn = tabular.tabular_learner(dls, layers=[20, 10], metrics=tabular.accuracy)
    mix = Mix(ManifoldMixUp(learn.model, layer, seed=0))
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, cbs=[mix, ByHand()])
    losses, expected = zip(*compared, strict=True)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert len(losses) == 3


def test_vision_learner_takes_it(pictures):
    dls = fastai.ImageDataLoaders.from_folder(pictures, valid_pct=0.2, seed=0, bs=32, num_workers=0)
    learn = vision_learner(
        dls, fastai.resnet18, pretrained=False, metrics=fastai.accuracy, cbs=Mix(MixUp(seed=0))
    )
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1)
    assert np.isfinite(learn.recorder.losses).all()


def test_bad_input():
    with pytest.raises(TypeError, match=r"mixer such as MixUp\(\) is needed.*call it, MixUp\(\)"):
        Mix(MixUp)
    with pytest.raises(ValueError, match="the batch has no targets, which mixing needs: let"):
        learner(small_network(), MixUp(), DataLoader(TensorDataset(digits()[0]), 64)).fit(1)

    def hardest(output, target):
        return F.cross_entropy(output, target, reduction="none").topk(8).values.mean()

    with pytest.raises(ValueError, match="topk cannot be computed from mixed targets"):
        learner(small_network(), MixUp(), criterion=hardest).fit(1)

    def hiding(output, target):
        return F.cross_entropy(output, torch.tensor(target.tolist()))

    with pytest.raises(RuntimeError, match="loss_func computed a loss, but not from the mixed"):
        learner(small_network(), MixUp(), criterion=hiding).fit(1)
