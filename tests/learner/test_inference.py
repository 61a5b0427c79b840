"""What a network is used for: its loss, predictions, validation, weights on disk."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from small_trainings import network, sgd, weights
from torch import nn

import vicinal
from vicinal import Callback, DataLoaders, Learner, MixLoss, MixUp, VicinalError, accuracy
from vicinal.data.augment import BatchTransform
from vicinal.data.split_loader import Batches, TensorData


class TestLossFunc:
    def test_it_is_wrapped_once_for_all_batches(self, dls, monkeypatch):
        made = []

        class Counted(MixLoss):
            def __init__(self, criterion):
                made.append(criterion)
                super().__init__(criterion)

        monkeypatch.setattr("vicinal.learner.inference.MixLoss", Counted)
        criterion = nn.CrossEntropyLoss()
        learn = Learner(dls, network(), criterion, cbs=MixUp(seed=0))
        learn.fit(2)
        learn.validate()
        assert made == [criterion]

    @pytest.mark.parametrize("kind", ["module", "function"])
    def test_a_callback_may_replace_it_between_batches(self, dls, kind):
        """As by hand, where the loss of every second batch is another one."""

        def doubled(output, y):
            return 2 * F.cross_entropy(output, y, reduction="none")

        smooth = nn.CrossEntropyLoss(label_smoothing=0.3)
        losses = [smooth, doubled] if kind == "function" else [smooth, nn.CrossEntropyLoss()]

        class Alternate(Callback):
            def before_train(self, learn):
                self.number = 0

            def before_loss(self, learn):
                if learn.training:
                    learn.loss_func = losses[self.number % 2]
                    self.number += 1

        by_hand, mixer = network(), MixUp(seed=4)
        optimizer = sgd(by_hand.parameters(), 0.1)
        for number, (x, y) in enumerate(dls.train):
            x, y = mixer(x, y)
            MixLoss(losses[number % 2])(by_hand(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        dls.train.sampler.epoch = 0
        learn = Learner(dls, network(), opt_func=sgd, cbs=[MixUp(seed=4), Alternate])
        learn.fit(1, 0.1)
        assert torch.equal(weights(learn.model), weights(by_hand))
        assert learn.loss_func is losses[1]

    def test_what_is_changed_in_it_counts_from_then_on(self, dls):
        criterion = nn.CrossEntropyLoss()
        learn = Learner(dls, network(), criterion)
        plain = learn.validate()["valid_loss"]
        criterion.label_smoothing = 0.5
        assert learn.validate()["valid_loss"] != plain

    def test_one_that_cannot_be_called_is_refused_when_it_is_set(self, dls):
        learn = Learner(dls, network())
        before = learn.loss_func
        with pytest.raises(TypeError, match=r"CrossEntropyLoss\(\)"):
            learn.loss_func = nn.CrossEntropyLoss
        assert learn.loss_func is before


def test_averages_are_over_samples_not_batches(dls):
    assert len(dls.valid.dataset) % dls.valid.batch_size  # the last batch is smaller
    learn = Learner(dls, network(), metrics=accuracy)
    outputs, targets = learn.get_preds()
    exact = (outputs.argmax(1) == targets).float().mean().item()
    assert learn.validate()["valid_accuracy"] == pytest.approx(exact)


def test_predict_and_get_preds(dls):
    learn = Learner(dls, network(), cbs=MixUp)
    learn.fit_one_cycle(5, 0.03)
    probabilities, targets = learn.get_preds()
    assert probabilities.shape == (50, 2)
    assert torch.allclose(probabilities.sum(1), torch.ones(50))
    assert torch.equal(targets, dls.valid.dataset.y)
    name, index, one = learn.predict(dls.valid.dataset.x[3])
    assert name == dls.vocab[index]
    assert torch.allclose(one, probabilities[3], atol=1e-6)


def test_get_preds_of_another_part(dls):
    learn = Learner(dls, network())
    part = Batches(TensorData(*dls.valid.dataset[torch.tensor([4, 2])]), 2, device="cpu")
    outputs, targets = learn.get_preds(dl=part)
    assert torch.equal(targets, dls.valid.dataset.y[[4, 2]])
    assert torch.allclose(outputs, learn.get_preds()[0][[4, 2]], atol=1e-6)


def test_evaluating_gives_outputs_in_evaluation_mode(dls):
    learn = Learner(dls, network().train())
    x = dls.valid.dataset.x
    with learn.evaluating():
        assert not learn.model.training
        one, again = learn.output(x), learn.output(x)
    assert torch.equal(one, again)
    assert torch.equal(one[:3], learn.model.eval()(x)[:3])


@pytest.mark.parametrize("mixer", [None, MixUp(seed=0)])
def test_outputs_that_lack_the_targets_last_dimension(mixer):
    x, y = torch.randn(40, 3), torch.randn(40)
    dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
    model = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    learn = Learner(dls, model, lambda p, t: ((p - t) ** 2).mean(), cbs=mixer)
    with pytest.raises(VicinalError, match=r"shape \(10,\) and the targets \(10, 1\): let it give"):
        learn.fit(1)


def test_weights_are_saved_and_loaded(dls, tmp_path):
    learn = Learner(dls, network(), path=tmp_path)
    file = learn.save("first")
    assert file == tmp_path / "models" / "first.safetensors"
    saved = weights(learn.model)
    learn.fit(1, 0.1)
    assert not torch.equal(weights(learn.model), saved)
    assert torch.equal(weights(learn.load("first").model), saved)
    assert [f.name for f in file.parent.iterdir()] == ["first.safetensors"]


def test_no_optimizer_is_saved(dls, tmp_path):
    learn = Learner(dls, network(), path=tmp_path)
    assert learn.save("a", with_opt=False).name == "a.safetensors"
    assert learn.load("a", with_opt=False) is learn
    for used in (learn.save, learn.load):
        with pytest.raises(VicinalError, match=r"its own optimizer, .* cbs=Checkpoint\("):
            used("a", with_opt=True)


def test_weights_that_cannot_be_loaded(dls, tmp_path):
    learn = Learner(dls, network(), path=tmp_path)
    with pytest.raises(VicinalError, match="does not exist"):
        learn.load("none")
    file = learn.save("other")
    other = nn.Linear(2, 2)
    before = weights(other)
    with pytest.raises(VicinalError, match=r"another network: 0.bias has shape \(16,\) there"):
        Learner(dls, other, path=tmp_path).load("other")
    assert torch.equal(weights(other), before)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(VicinalError, match="damaged"):
        learn.load("other")


def test_a_loss_class_is_refused_at_once(dls):
    with pytest.raises(TypeError, match=r"CrossEntropyLoss\(\)"):
        Learner(dls, network(), nn.CrossEntropyLoss)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_damaged_weights_are_not_loaded(dls, tmp_path, share):
    learn = Learner(dls, network(), path=tmp_path)
    file = learn.save("a")
    content = bytearray(file.read_bytes())
    content[int(share * len(content))] ^= 1
    file.write_bytes(bytes(content))
    before = weights(learn.model)
    with pytest.raises(VicinalError, match=r"a\.safetensors (is damaged|cannot be read)"):
        learn.load("a")
    assert torch.equal(weights(learn.model), before)


def test_equal_weights_give_equal_files_that_others_read(dls, tmp_path):
    from safetensors import safe_open

    files = [Learner(dls, network(), path=tmp_path).save(name) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    with safe_open(files[0], "pt") as opened:
        assert opened.metadata()["format"] == "pt"  # transformers asks for it


def test_what_a_weights_file_cannot_hold_is_named(dls, tmp_path):
    class Extra(nn.Linear):
        def get_extra_state(self):
            return {"scale": 1}

        def set_extra_state(self, state): ...

    learn = Learner(dls, Extra(2, 2), path=tmp_path)
    with pytest.raises(VicinalError, match="_extra_state of the network is of type dict"):
        learn.save("a")


def test_a_prediction_that_is_not_finite_is_refused(dls):
    learn = Learner(dls, network())
    assert learn.predict(torch.ones(2))[2].sum() == pytest.approx(1)
    with torch.no_grad():
        learn.model[3].bias.fill_(torch.nan)
    with pytest.raises(VicinalError, match="output is not a finite number"):
        learn.predict(torch.ones(2))


class TestGetPreds:
    def test_what_is_wanted_comes_in_fastais_order(self, dls):
        learn = Learner(dls, network())
        outputs, targets = learn.get_preds()
        x, found, y, decoded, losses = learn.get_preds(
            with_input=True, with_decoded=True, with_loss=True
        )
        assert torch.equal(x, dls.valid.dataset.x)
        assert torch.equal(found, outputs)
        assert torch.equal(y, targets)
        assert torch.equal(decoded, outputs.argmax(1))
        torch.testing.assert_close(losses, F.nll_loss(outputs.log(), targets, reduction="none"))
        assert len(learn.get_preds(with_decoded=True)) == 3

    @pytest.mark.parametrize("how", [{"ds_idx": 0}, {"dl": "train"}])
    def test_the_training_part_is_in_order_and_whole(self, how):
        class Added(BatchTransform):
            def train(self, x, generator):
                return x + 1

        x, y = torch.randn(23, 2), torch.arange(23) % 2
        dls = DataLoaders.from_tensors(x, y, x[:4], y[:4], bs=10, transforms=[Added()], device="cpu")  # fmt: skip  # noqa: E501
        how = {"dl": dls.train} if "dl" in how else how
        epoch = dls.train.sampler.epoch
        seen, _, targets = Learner(dls, network()).get_preds(**how, with_input=True)
        assert torch.equal(seen, x)
        assert torch.equal(targets, y)
        assert dls.train.sampler.epoch == epoch

    def test_samples_without_targets(self, dls):
        class Items(TensorData):
            def __getitems__(self, indices):
                return super().__getitems__(indices)[0], None

        class Unlabelled(Batches):
            def _transformed(self, read):
                yield from read

        data = dls.valid.dataset
        part = Unlabelled(Items(data.x, data.y), 7, device="cpu")
        learn = Learner(dls, network())
        outputs, targets, decoded = learn.get_preds(dl=part, with_decoded=True)
        assert targets is None
        torch.testing.assert_close(outputs, learn.get_preds()[0])
        assert torch.equal(decoded, outputs.argmax(1))
        learn.model.train()
        with pytest.raises(VicinalError, match="no targets, so there is no loss of them"):
            learn.get_preds(dl=part, with_loss=True)
        assert learn.model.training

    def test_outputs_as_they_are(self, dls):
        learn = Learner(dls, network())
        raw, _, decoded = learn.get_preds(act=nn.Identity(), with_decoded=True)
        torch.testing.assert_close(raw.softmax(1), learn.get_preds()[0])
        assert torch.equal(decoded, raw.argmax(1))

    @pytest.mark.parametrize("ds_idx", [2, -1, True, None])
    def test_another_part_is_refused(self, dls, ds_idx):
        with pytest.raises(VicinalError, match=f"ds_idx is 0 for .*, not {ds_idx}: give batches"):
            Learner(dls, network()).get_preds(ds_idx)

    def test_a_part_in_the_place_of_a_number(self, dls):
        with pytest.raises(VicinalError, match="give batches as dl="):
            Learner(dls, network()).get_preds(dls.valid)

    def test_nested_inputs(self):
        class First(nn.Linear):
            def forward(self, batch):
                return super().forward(batch["a"])

        x, y = {"a": torch.rand(5, 2), "b": torch.rand(5)}, torch.arange(5) % 2
        dls = DataLoaders.from_tensors(x, y, x, y, bs=2, device="cpu")
        seen, *_ = Learner(dls, First(2, 2)).get_preds(with_input=True)
        assert torch.equal(seen["a"], x["a"])
        assert torch.equal(seen["b"], x["b"])


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        (vicinal.xresnet18, r"xresnet18\(n_out=dls\.c\), or use vision_learner\(dls, xresnet18\)"),
        (torchvision.models.resnet18, r"resnet18\(num_classes=dls\.c\), or use vision_learner"),
        (nn.Flatten, r"Flatten\(…\)$"),
    ],
)
def test_what_makes_a_network_is_named_with_its_arguments(dls, model, hint):
    with pytest.raises(VicinalError, match=f"makes a network and is none itself: call it, {hint}"):
        Learner(dls, model)
