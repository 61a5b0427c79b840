"""Mixing in Lightning's Trainer."""

import copy
import functools
import logging
import math
import pickle

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
    train_by_hand,
    twins,
)
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import Accuracy, ConfusionMatrix, MetricTracker

lightning = pytest.importorskip("lightning")
L = lightning.pytorch
CombinedLoader = L.utilities.CombinedLoader

from vicinal import CutMix, ManifoldMixUp, MixUp, accuracy  # noqa: E402
from vicinal.integrations.lightning import Mix  # noqa: E402
from vicinal.mixed.tensor import own_targets  # noqa: E402


class Classifier(L.LightningModule):
    """A typical module."""

    def __init__(self, model, criterion=None):
        super().__init__()
        self.model = model
        self.criterion = nn.CrossEntropyLoss() if criterion is None else criterion
        self.losses, self.seen, self.validated = [], [], []

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.criterion(self(x), y)
        self.losses.append(loss.item())
        self.seen.append(x.clone())
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        assert type(y) is torch.Tensor
        self.validated.append(x)
        self.log("valid_loss", self.criterion(self(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture(autouse=True)
def silent():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def trainer_of(tmp_path, *callbacks, **options):
    options = {
        "max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_progress_bar": False,
        "enable_model_summary": False, "enable_checkpointing": False, "num_sanity_val_steps": 1,
    } | options  # fmt: skip
    return L.Trainer(default_root_dir=tmp_path, callbacks=list(callbacks), **options)


pytestmark = pytest.mark.filterwarnings("ignore")


def mixed(model, mixer, loader=None, tmp_path=None, **options):
    module = Classifier(model) if not isinstance(model, L.LightningModule) else model
    held_out = batches(64) if loader is None else None
    trainer_of(tmp_path, Mix(mixer), **options).fit(module, loader or batches(), held_out)
    return module


class Same:
    """A loader that yields the same batch twice."""

    def __init__(self, batch):
        self.batch = batch

    def __iter__(self):
        return iter([self.batch] * 2)


@pytest.mark.parametrize("make", [MixUp, CutMix, remix], ids=["mixup", "cutmix", "remix"])
def test_equals_the_loop_by_hand_step_by_step(make, tmp_path):
    model, other = twins()
    module = mixed(model, make(seed=0), tmp_path=tmp_path, max_epochs=3)
    expected = train_by_hand(other, batches(), make(seed=0), epochs=3)

    assert module.losses == expected
    assert expected[-1] < 0.7 * expected[0]
    assert_same_weights(module.model, other)


def test_functions_and_metrics_in_the_step_are_exact(tmp_path):
    class Functional(Classifier):
        def __init__(self, model):
            super().__init__(model)
            self.train_accuracy = Accuracy("multiclass", num_classes=10)
            self.confusion = ConfusionMatrix("multiclass", num_classes=10)
            self.shares = []

        def training_step(self, batch, batch_idx):
            x, y = batch
            output = self(x)
            loss = F.cross_entropy(output, y, label_smoothing=0.1)
            self.losses.append(loss.item())
            self.log("accuracy", self.train_accuracy(output, y), prog_bar=True)
            self.confusion.update(output, y)
            own = (output.argmax(1) == y).float().mean()
            self.shares.append((own.item(), accuracy(output, y).item()))
            right = (output.argmax(1) == own_targets(y)).float().mean()
            assert self.train_accuracy.compute() == right
            self.train_accuracy.reset()
            return {"loss": loss}

    model, other = twins()
    module = mixed(Functional(model), MixUp(seed=0), tmp_path=tmp_path)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    assert module.losses == train_by_hand(other, batches(), MixUp(seed=0), criterion)
    for found, share in module.shares:
        assert found == pytest.approx(share)
    assert module.confusion.compute().sum() == 320
    module.confusion.update(torch.rand(4, 10), torch.arange(4))  # as before


def test_a_schedule_knows_the_length_of_the_training(tmp_path):
    model, other = twins()
    module = mixed(model, half_mixed(), tmp_path=tmp_path, max_epochs=2)
    assert module.losses == train_by_hand(other, batches(), scheduled(10), epochs=2)

    class Stopped(Classifier):
        def on_train_epoch_end(self):
            self.trainer.save_checkpoint(tmp_path / "half.ckpt")
            self.trainer.should_stop = True

    mixed(Stopped(twins()[0]), half_mixed(), tmp_path=tmp_path, max_epochs=2, min_epochs=1)
    second = Classifier(twins()[0])
    trainer = trainer_of(tmp_path, Mix(half_mixed()), max_epochs=2)
    trainer.fit(second, batches(), ckpt_path=tmp_path / "half.ckpt")
    assert second.losses == module.losses[5:]


class Watching(Classifier):
    """Remembers in which batches anything was mixed."""

    def training_step(self, batch, batch_idx):
        parts = [batch] if isinstance(batch[0], torch.Tensor) else batch
        parts = [part for part in parts if part is not None]
        self.seen += [bool((y.weight < 1).any()) for _, y in parts]
        return sum(self.criterion(self(x), y) for x, y in parts)


def test_a_schedule_goes_on_in_a_second_fit_of_a_trainer(tmp_path):
    module, trainer = Watching(twins()[0]), trainer_of(tmp_path, Mix(half_mixed()), max_epochs=1)
    trainer.fit(module, batches())
    assert module.seen == [True] * 3 + [False] * 2  # of one epoch, half
    trainer.fit_loop.max_epochs = 4
    trainer.fit(module, batches())
    assert module.seen[5:] == [True] * 5 + [False] * 10  # of four, two


def test_a_schedule_goes_on_from_a_checkpoint_of_a_training_without_mixing(tmp_path):
    trainer = trainer_of(tmp_path, max_epochs=1)
    trainer.fit(Classifier(twins()[0]), batches())
    trainer.save_checkpoint(tmp_path / "plain.ckpt")
    module = Watching(twins()[0])
    trainer = trainer_of(tmp_path, Mix(half_mixed()), max_epochs=4)
    trainer.fit(module, batches(), ckpt_path=tmp_path / "plain.ckpt")
    assert module.seen == [True] * 5 + [False] * 10


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (None, [True] * 12 + [False] * 12),
        ("max_size_cycle", [True] * 12 + [False] * 12),
        ("min_size", [True] * 4 + [False] * 4),
        ("max_size", [True] * 8 + [False] * 8),
    ],
)
def test_a_schedule_counts_the_batches_of_several_loaders(mode, expected, tmp_path):
    loaders = [batches(128), batches(192, 32)]  # of 2 and of 6 batches
    if mode is not None:
        loaders = CombinedLoader(loaders, mode)
    module = Watching(twins()[0])
    trainer_of(tmp_path, Mix(half_mixed()), max_epochs=2).fit(module, loaders)
    assert module.seen == expected


@pytest.mark.parametrize("by_hand", [False, True], ids=["automatic", "manual"])
def test_a_schedule_counts_batches_not_steps(by_hand, tmp_path):
    class Counting(Classifier):
        def training_step(self, batch, batch_idx):
            self.seen.append(bool((batch[1].weight < 1).any()))
            if self.automatic_optimization:
                return self.criterion(self(batch[0]), batch[1])
            for optimizer in self.optimizers():
                optimizer.zero_grad()
                self.manual_backward(self.criterion(self(batch[0]), batch[1]))
                optimizer.step()

        def configure_optimizers(self):
            return [torch.optim.SGD([p], lr=0.1) for p in self.parameters()][: 1 + by_hand]

    module = Counting(twins()[0])
    module.automatic_optimization = not by_hand
    # Five batches an epoch: two steps automatically; by hand as many as there are optimizers.
    length = {"max_epochs": 2, "max_steps": 1000} if by_hand else {"max_steps": 4}
    accumulated = {} if by_hand else {"accumulate_grad_batches": 4, "max_epochs": -1}
    mixed(module, half_mixed(), tmp_path=tmp_path, **length, **accumulated)
    assert module.seen == [True] * 5 + [False] * 5


def test_validation_is_not_mixed_and_the_module_is_left_as_it_was(tmp_path):
    module = mixed(twins()[0], MixUp(seed=0), tmp_path=tmp_path)
    for x in module.validated:
        assert torch.equal(x, digits(64)[0])
    assert "training_step" not in vars(module)


def test_the_callers_batches_are_not_touched(tmp_path):
    x, y = digits(64)
    before = x.clone()
    mixed(twins()[0], MixUp(seed=0), Same((x, y)), tmp_path=tmp_path, max_epochs=2)
    assert torch.equal(x, before)


def test_an_error_in_the_middle_leaves_the_module_as_it_was(tmp_path):
    class Failing(Classifier):
        def training_step(self, batch, batch_idx):
            if batch_idx == 2:
                raise RuntimeError("the disk is gone")
            return super().training_step(batch, batch_idx)

    module = Failing(twins()[0])
    with pytest.raises(RuntimeError, match="disk"):
        trainer_of(tmp_path, Mix(MixUp(seed=0))).fit(module, batches())
    assert "training_step" not in vars(module)


def test_a_resumed_training_continues_with_the_same_draws(tmp_path):
    torch.manual_seed(0)
    whole = mixed(twins()[0], MixUp(seed=0), tmp_path=tmp_path, max_epochs=2)

    class Stopped(Classifier):
        def on_train_epoch_end(self):
            self.trainer.save_checkpoint(tmp_path / "middle.ckpt")
            self.trainer.should_stop = True

    first = mixed(Stopped(twins()[0]), MixUp(seed=0), tmp_path=tmp_path, max_epochs=2, min_epochs=1)
    second = Classifier(twins()[0])
    trainer = trainer_of(tmp_path, Mix(MixUp(seed=99)), max_epochs=2)
    trainer.fit(second, batches(), ckpt_path=tmp_path / "middle.ckpt")

    assert len(first.losses) == 5
    assert first.losses + second.losses == whole.losses
    assert_same_weights(second.model, whole.model)


def test_manual_optimization(tmp_path):
    class Manual(Classifier):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            x, y = batch
            loss = self.criterion(self(x), y)
            self.optimizers().zero_grad()
            self.manual_backward(loss)
            self.optimizers().step()
            self.losses.append(loss.item())

    model, other = twins()
    module = mixed(Manual(model), MixUp(seed=0), tmp_path=tmp_path)
    assert module.losses == train_by_hand(other, batches(), MixUp(seed=0))


def test_an_optimizer_that_takes_the_step_several_times_sees_one_mix(tmp_path):
    class ByLBFGS(Classifier):
        def configure_optimizers(self):
            return torch.optim.LBFGS(self.parameters(), max_iter=3)

    module = mixed(ByLBFGS(twins()[0]), MixUp(seed=0), Same(digits(64)), tmp_path=tmp_path)
    first, second = module.seen[:3], module.seen[3:]
    assert len(module.seen) == 6
    assert all(torch.equal(x, first[0]) for x in first)
    assert all(torch.equal(x, second[0]) for x in second)
    assert not torch.equal(first[0], second[0])


def test_a_validation_that_takes_the_training_step_is_not_mixed(tmp_path):
    class Sharing(Classifier):
        def validation_step(self, batch, batch_idx):
            super().validation_step(batch, batch_idx)
            assert self.training_step(batch, batch_idx) == self.criterion(self(batch[0]), batch[1])

    module = mixed(Sharing(twins()[0]), MixUp(seed=0), tmp_path=tmp_path)
    seen = module.seen[-1]  # in the validation, which comes last
    assert torch.equal(seen, module.validated[-1])
    assert sum(torch.equal(x, seen) for x in module.seen) == 2  # also once before the training


def test_what_hooks_do_to_a_batch_is_mixed(tmp_path):
    class Scaling(Classifier):
        def on_train_batch_start(self, batch, batch_idx):
            batch[0].mul_(100)

    plain, scaled = (
        mixed(kind(twins()[0]), MixUp(seed=0), Same(digits(64)), tmp_path=tmp_path, max_steps=1)
        for kind in (Classifier, Scaling)
    )
    torch.testing.assert_close(scaled.seen[0], 100 * plain.seen[0])


@pytest.mark.parametrize("kind", [dict, list], ids=["dict", "list"])
def test_several_loaders_are_mixed_separately(kind, tmp_path):
    class Several(Classifier):
        def training_step(self, batch, batch_idx):
            parts = batch.values() if kind is dict else batch
            return sum(self.criterion(self(x), y) for x, y in parts)

    loaders = {"a": batches(128), "b": batches(192, 32)}
    loaders = loaders if kind is dict else list(loaders.values())
    mixer = MixUp(seed=0)
    mixed(Several(twins()[0]), mixer, loaders, tmp_path=tmp_path)
    assert mixer.state_dict()["draws"] == 12  # the shorter loader begins again


@pytest.mark.parametrize("target", [None, "digit"])
def test_batches_of_dicts(target, tmp_path):
    name = target or "label"
    x, y = digits(128)
    data = [{"image": image, name: label} for image, label in zip(x, y, strict=True)]

    class OfDicts(Classifier):
        def training_step(self, batch, batch_idx):
            loss = F.cross_entropy(self(batch["image"]), batch[name])
            self.losses.append(loss.item())
            return loss

    model, other = twins()
    module = OfDicts(model)
    loader = DataLoader(data, batch_size=64)
    trainer_of(tmp_path, Mix(MixUp(seed=0), target)).fit(module, loader)
    assert module.losses == train_by_hand(other, batches(128), MixUp(seed=0))


def test_gradients_are_accumulated(tmp_path):
    model, other = twins()
    module = mixed(
        model, MixUp(seed=0), batches(256), tmp_path=tmp_path, accumulate_grad_batches=2
    )  # fmt: skip
    mixer, optimizer = MixUp(seed=0), torch.optim.SGD(other.parameters(), lr=0.1)
    other.train()
    from vicinal import MixLoss

    for number, (x, y) in enumerate(batches(256)):
        x, y = mixer(x, y)
        (MixLoss(nn.CrossEntropyLoss())(other(x), y) / 2).backward()
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    assert_same_weights(module.model, other)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions(precision, tmp_path):
    module = mixed(twins()[0], MixUp(seed=0), tmp_path=tmp_path, precision=precision, max_epochs=3)
    assert module.losses[-1] < module.losses[0] / 2


def test_a_compiled_module(tmp_path):
    model, other = twins()
    module = torch.compile(Classifier(model), backend="eager")
    trainer = trainer_of(tmp_path, Mix(MixUp(seed=0)))
    trainer.fit(module, batches())
    compiled = trainer.lightning_module
    expected = train_by_hand(other, batches(), MixUp(seed=0))
    assert compiled.losses == pytest.approx(expected, rel=1e-5)
    assert vars(compiled)["training_step"] is not None  # the compiled one is restored


def test_a_compiled_step_and_one_with_a_decorator_need_no_batch_idx(tmp_path):
    def timed(step):
        @functools.wraps(step)
        def in_time(*args, **options):
            return step(*args, **options)

        return in_time

    class Short(Classifier):
        def training_step(self, batch):
            return Classifier.training_step(self, batch, 0)

    class Decorated(Short):
        training_step = timed(Short.training_step)

    expected = train_by_hand(twins()[1], batches(), MixUp(seed=0))
    for module in (Decorated(twins()[0]), torch.compile(Short(twins()[0]), backend="eager")):
        trainer = trainer_of(tmp_path, Mix(MixUp(seed=0)))
        trainer.fit(module, batches())
        assert trainer.lightning_module.losses == pytest.approx(expected, rel=1e-5)


def test_copies_that_are_made_in_training_have_steps_of_their_own(tmp_path):
    class Copying(Classifier):
        def on_train_batch_end(self, *_):
            self.copies = [copy.deepcopy(self), pickle.loads(pickle.dumps(self))]

    globals()["Copying"] = Copying  # where pickle looks for it
    Copying.__qualname__ = "Copying"
    module = mixed(Copying(twins()[0]), MixUp(seed=0), batches(128), tmp_path=tmp_path)
    batch = digits(16)
    for copied in module.copies:
        nn.init.zeros_(copied.model[-1].weight)
        nn.init.zeros_(copied.model[-1].bias)
        assert copied.training_step(batch, 0).item() == pytest.approx(math.log(10))
        assert module.training_step(batch, 0).item() != pytest.approx(math.log(10))


def test_metrics_that_are_made_in_training_see_own_targets(tmp_path):
    class Tracking(Classifier):
        def __init__(self, model):
            super().__init__(model)
            self.tracker = MetricTracker(Accuracy(task="multiclass", num_classes=10))
            self.first = Accuracy(task="multiclass", num_classes=10)
            self.right = []

        def on_train_epoch_start(self):
            self.tracker.increment()
            self.first.reset()

        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            output = self(batch[0])
            for metric in (self.tracker, self.first):
                metric.update(output, batch[1])
            return loss

    module = Tracking(twins()[0])
    mixed(module, MixUp(seed=0), tmp_path=tmp_path, max_epochs=2)
    assert module.tracker.n_steps == 2
    torch.testing.assert_close(module.tracker.compute(), module.first.compute())


def test_mixing_inside_of_the_model(tmp_path):
    model, other = twins()
    mixer = ManifoldMixUp(model, ["input", "2"], seed=0)
    module = mixed(model, mixer, tmp_path=tmp_path)
    expected = ManifoldMixUp(other, ["input", "2"], seed=0)
    assert module.losses == train_by_hand(other, batches(), expected)
    assert not model._forward_pre_hooks


def test_values_and_several_labels(tmp_path):
    for criterion, target in (
        (nn.BCEWithLogitsLoss(), F.one_hot(digits()[1], 10).float()),
        (nn.MSELoss(), torch.randn(320, 10)),
    ):
        loader = DataLoader(TensorDataset(digits()[0], target), batch_size=64)
        model, other = twins()
        module = mixed(Classifier(model, criterion), MixUp(seed=0), loader, tmp_path)
        assert module.losses == train_by_hand(other, loader, MixUp(seed=0), criterion)


# -- Errors


def test_images_of_monai(tmp_path):
    """Outputs are MetaTensors; `==` asks its left operand alone, and all else asks both."""
    monai = pytest.importorskip("monai.data")
    found = {}

    class Metric(Classifier):
        def training_step(self, batch, batch_idx):
            output, y = self(batch[0]), batch[1]
            found["type"], pred = type(output), output.argmax(1)
            found["shares"] = (y == pred).float().mean(), torch.eq(pred, y).float().mean()
            found["expected"] = (own_targets(pred) == own_targets(y)).float() * y.weight
            partner = (own_targets(pred) == y.partner).float() * (1 - y.weight)
            found["expected"] = (found["expected"] + partner).mean().as_subclass(torch.Tensor)
            return super().training_step(batch, batch_idx)

    x, y = digits(64)
    module, other = Metric(twins()[0]), twins()[1]
    mixed(module, MixUp(1.0, seed=0), Same((monai.MetaTensor(x), y)), tmp_path)
    assert found["type"] is monai.MetaTensor
    for share in found["shares"]:
        torch.testing.assert_close(share, found["expected"])
    assert module.losses == train_by_hand(other, [(x, y)] * 2, MixUp(1.0, seed=0))


def test_a_step_that_hides_its_targets(tmp_path):
    class Hiding(Classifier):
        def training_step(self, batch, batch_idx):
            x, y = batch
            return F.cross_entropy(self(x), torch.tensor(y.tolist()))

    with pytest.raises(RuntimeError, match="training_step computed a loss, but not from the mixed"):
        mixed(Hiding(twins()[0]), MixUp(seed=0), tmp_path=tmp_path)

    class HidingManually(Hiding):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.manual_backward(super().training_step(batch, batch_idx))

    with pytest.raises(RuntimeError, match="training_step computed a loss, but not from the mixed"):
        mixed(HidingManually(twins()[0]), MixUp(seed=0), tmp_path=tmp_path)


def test_a_criterion_without_a_loss_for_each_sample(tmp_path):
    def hardest(output, target):
        return F.cross_entropy(output, target, reduction="none").topk(8).values.mean()

    with pytest.raises(ValueError, match="topk cannot be computed from mixed targets: build"):
        mixed(Classifier(twins()[0], hardest), MixUp(seed=0), tmp_path=tmp_path)


def test_a_batch_without_targets(tmp_path):
    for loader, message in (
        (DataLoader(digits()[0], batch_size=64), "the batch is a Tensor without targets"),
        (DataLoader(TensorDataset(digits()[0]), batch_size=64), "the batch holds 0, but no target"),
    ):
        with pytest.raises(ValueError, match=message):
            mixed(twins()[0], MixUp(seed=0), loader, tmp_path)
    data = DataLoader([{"image": x, "name": 3} for x in digits(64)[0]], batch_size=8)
    with pytest.raises(ValueError, match="holds image, name, but no target beside"):
        mixed(twins()[0], MixUp(seed=0), data, tmp_path)
    with pytest.raises(ValueError, match="no target 'digit' beside inputs: say which"):
        trainer_of(tmp_path, Mix(MixUp(), "digit")).fit(Classifier(twins()[0]), batches())


def test_a_step_that_fetches_its_batches(tmp_path):
    class Fetching(Classifier):
        def training_step(self, dataloader_iter):
            (x, y), _, _ = next(dataloader_iter)
            return self.criterion(self(x), y)

    with pytest.raises(RuntimeError, match="dataloader_iter, whose batches cannot be mixed"):
        mixed(Fetching(twins()[0]), MixUp(seed=0), tmp_path=tmp_path)


def test_something_that_is_not_a_mixer():
    with pytest.raises(TypeError, match=r"mixer such as MixUp\(\) is needed.*call it, MixUp\(\)"):
        Mix(MixUp)
