"""Interpretation, of networks whose outputs are known: identities."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import classification_report, confusion_matrix
from torch import nn

from vicinal import (
    ClassificationInterpretation,
    DataLoaders,
    ImageDataLoaders,
    Interpretation,
    Learner,
    VicinalError,
)
from vicinal.data import image_data, storage
from vicinal.data.augment import aug_transforms
from vicinal.data.samples import Samples, Split
from vicinal.data.split_loader import Batches, TensorData
from vicinal.learner.sample_losses import sample_losses

ANIMALS = ["ant", "bee", "cat"]


def interpret(outputs, y, loss_func=None, vocab=None):
    dls = DataLoaders.from_tensors(outputs, y, outputs, y, bs=2, vocab=vocab, device="cpu")
    return Learner(dls, nn.Identity(), loss_func).interpret()


def answers(truth, predicted, vocab=None):
    """Outputs of a confident network."""
    count = len(vocab) if vocab else 1 + max(*truth, *predicted)
    outputs = 5.0 * F.one_hot(torch.tensor(predicted), count)
    return interpret(outputs, torch.tensor(truth), vocab=vocab)


TRUTH, PREDICTED = [0, 1, 2, 1, 0, 1, 1, 2], [0, 2, 2, 0, 0, 2, 1, 1]


class TestConfusion:
    def test_rows_are_truth_and_columns_are_predicted(self):
        counts = answers(TRUTH, PREDICTED, [*ANIMALS, "dog"]).confusion_matrix()
        assert counts.tolist() == [[2, 0, 0, 0], [1, 1, 2, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
        assert counts.dtype == torch.int64

    def test_it_is_scikit_learns(self):
        g = torch.Generator().manual_seed(0)
        outputs, y = torch.randn(200, 7, generator=g), torch.randint(0, 7, (200,), generator=g)
        expected = confusion_matrix(y.numpy(), outputs.argmax(1).numpy())
        np.testing.assert_array_equal(interpret(outputs, y).confusion_matrix(), expected)

    def test_the_most_confused_come_first(self):
        found = answers(TRUTH, PREDICTED, ANIMALS)
        pairs = [("bee", "cat", 2), ("bee", "ant", 1), ("cat", "bee", 1)]
        assert found.most_confused() == pairs
        assert found.most_confused(min_val=2) == pairs[:1]
        assert found.most_confused(min_val=3) == []

    def test_its_figure(self):
        figure = answers(TRUTH, PREDICTED, ANIMALS).plot_confusion_matrix(normalize=True)
        shown = [text.get_text() for text in figure.axes[0].texts]
        assert shown == ["1.00", "0.00", "0.00", "0.25", "0.25", "0.50", "0.00", "0.50", "0.50"]

    @pytest.mark.parametrize(("y", "loss_func", "named"), [
        (torch.rand(4), None, r"\(torch\.float32, shape \(4, 1\)\)"),
        (torch.ones(4, 2), nn.BCEWithLogitsLoss(), r"\(torch\.float32, shape \(4, 2\)\)"),
    ])  # fmt: skip
    def test_it_needs_one_class_per_sample(self, y, loss_func, named):
        found = interpret(torch.rand(4, y[0].numel()), y, loss_func)
        for refused in (
            found.confusion_matrix, found.plot_confusion_matrix, found.most_confused
        ):  # fmt: skip
            with pytest.raises(VicinalError, match=f"values or several labels {named}: use "):
                refused()

    def test_a_count_is_positive(self):
        with pytest.raises(VicinalError, match="min_val must be 0 or more, not -1"):
            answers(TRUTH, PREDICTED).most_confused(-1)

    def test_no_class_is_confused_with_itself(self):
        pairs = answers(TRUTH, PREDICTED, ANIMALS).most_confused(0)
        assert len(pairs) == 6
        assert all(truth != predicted for truth, predicted, _ in pairs)
        assert pairs[-1][2] == 0

    def test_its_look(self):
        found = answers(TRUTH, PREDICTED, ANIMALS)
        axes = found.plot_confusion_matrix(True, "Errors", "Reds", 3).axes[0]
        assert axes.get_title(loc="left") == "Errors"
        assert axes.texts[0].get_text() == "1.000"
        assert axes.images[0].get_cmap().name == "Reds"
        assert not found.plot_confusion_matrix(plot_txt=False).axes[0].texts


class TestTopLosses:
    def test_each_sample_has_its_own_loss(self):
        g = torch.Generator().manual_seed(0)
        outputs, y = torch.randn(9, 3, generator=g), torch.arange(9) % 3
        found = interpret(outputs, y, vocab=ANIMALS)
        losses = F.cross_entropy(outputs, y, reduction="none")
        torch.testing.assert_close(found.losses, losses)
        worst = found.worst(4)
        assert [sample.index for sample in worst] == losses.argsort(descending=True)[:4].tolist()
        for sample in worst:
            row = outputs[sample.index]
            assert sample.loss == pytest.approx(losses[sample.index].item())
            assert sample.truth == ANIMALS[sample.index % 3]
            assert sample.predicted == ANIMALS[row.argmax()]
            assert sample.probability == pytest.approx(row.softmax(0)[sample.index % 3].item())
        assert len(found.worst(100)) == 9

    @pytest.mark.parametrize("loss_func", [
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 1.0]), label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum"),
        F.multi_margin_loss,
        lambda output, target: -output.gather(1, target[:, None])[:, 0],
    ])  # fmt: skip
    def test_losses_are_the_criterions_own(self, loss_func):
        outputs, y = torch.randn(6, 3), torch.arange(6) % 3
        alone = [loss_func(outputs[i : i + 1], y[i : i + 1]) for i in range(6)]
        if isinstance(loss_func, nn.CrossEntropyLoss) and loss_func.reduction == "mean":
            # Alone, a sample's mean divides by the weight of its class.
            alone = [loss * loss_func.weight[label] for loss, label in zip(alone, y, strict=True)]
        expected = torch.stack([loss.reshape(()) for loss in alone])
        torch.testing.assert_close(interpret(outputs, y, loss_func).losses, expected)

    def test_of_values(self):
        outputs, y = torch.tensor([[1.0], [4.0], [0.5]]), torch.tensor([1.0, 1.0, 1.0])
        (worst,) = interpret(outputs, y).worst(1)
        assert (worst.index, worst.loss, worst.probability) == (1, 9.0, None)
        assert (worst.truth, worst.predicted) == ("1", "4")

    def test_of_several_labels(self):
        outputs, y = torch.tensor([[9.0, -9.0], [9.0, -9.0]]), torch.tensor([[1.0, 0], [1.0, 1]])
        found = interpret(outputs, y, nn.BCEWithLogitsLoss())
        torch.testing.assert_close(found.losses, torch.tensor([0.0, 4.5]), atol=1e-3, rtol=0)
        assert found.worst(1)[0].truth == "1, 1"

    def test_of_several_labels_with_names(self):
        outputs, y = torch.tensor([[9.0, -9.0], [-9.0, -9.0]]), torch.tensor([[1.0, 0], [1.0, 1]])
        parts = [
            Batches(TensorData(outputs, y), 2, training=training, device="cpu")
            for training in (True, False)
        ]
        learn = Learner(DataLoaders(*parts, ["ant", "bee"], 2), nn.Identity(), nn.BCEWithLogitsLoss())  # fmt: skip  # noqa: E501
        worst, best = learn.interpret().worst()
        assert (worst.truth, worst.predicted) == ("ant, bee", "none")
        assert (best.truth, best.predicted) == ("ant", "ant")
        with pytest.raises(VicinalError, match="several labels"):
            learn.interpret().confusion_matrix()

    def test_a_loss_that_is_nan_comes_first(self):
        outputs = torch.tensor([[0.0, 9.0], [0.0, 1.0]])
        found = interpret(outputs, torch.tensor([0, 1]), lambda o, t: (-1 - o[:, 1] + t * 2).sqrt())
        assert found.losses.isnan().tolist() == [True, False]
        assert [sample.index for sample in found.worst()] == [0, 1]

    def test_a_loss_of_the_whole_batch_is_refused(self):
        with pytest.raises(VicinalError, match=r"losses of shape \(\) for 4 samples: let it"):
            interpret(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]), lambda o, t: o.mean())

    def test_a_network_of_other_classes_is_refused(self):
        with pytest.raises(VicinalError, match="has 5 outputs for 2 classes: give it 2"):
            interpret(torch.rand(4, 5), torch.tensor([0, 1, 0, 1]))

    def test_there_is_at_least_one(self):
        for refused in ("worst", "top_losses", "plot_top_losses"):
            with pytest.raises(VicinalError, match="must be 1 or more, not 0"):
                getattr(answers(TRUTH, PREDICTED), refused)(0)


class Brightness(nn.Module):
    """Gives brighter images a higher probability of the second class."""

    def forward(self, x):
        bright = 10 * x.mean(dim=(1, 2, 3))
        return torch.stack([-bright, bright], dim=1)


def greys(item_size=8, **kwargs):
    """Images from black to white in order; all are labelled as the second class."""
    levels = torch.tensor([120, 30, 250, 0, 200, 90], dtype=torch.uint8)
    valid = Samples(levels.view(-1, 1, 1, 1).repeat(1, 3, 8, 8), [1] * 6)
    train = Samples(valid.images, [0, 1] * 3)
    return ImageDataLoaders.from_split(
        Split(train, valid, ["dark", "light"]), item_size=item_size, bs=2, device="cpu", **kwargs
    )


def shown(figure):
    return [axes.images[0].get_array() for axes in figure.axes]


class TestPictures:
    def test_the_worst_images_under_their_titles(self):
        figure = Learner(greys(), Brightness()).interpret().plot_top_losses(3)
        levels = [round(255 * float(picture.mean())) for picture in shown(figure)]
        assert levels == [0, 30, 90]
        title = figure.axes[0].get_title().splitlines()
        assert title[:2] == ["truth light", "predicted dark"]
        assert title[2].startswith("loss ")
        assert title[2].endswith("truth 0.0 %")

    def test_no_other_image_is_read_again(self, monkeypatch):
        found = Learner(greys(), Brightness()).interpret()
        read, original = [], TensorData.__getitems__
        monkeypatch.setattr(
            TensorData, "__getitems__", lambda self, i: read.append(i) or original(self, i)
        )
        found.plot_top_losses(2)
        assert read == [[3, 1]]

    def test_they_are_shown_as_the_network_sees_them(self):
        dls = greys(batch_tfms=aug_transforms(size=4))
        (picture,) = shown(Learner(dls, Brightness()).interpret().plot_top_losses(1))
        assert picture.shape == (4, 4, 3)

    def test_images_that_are_skipped_are_not_counted(self, monkeypatch):
        monkeypatch.setattr(storage, "MEMORY_SHARE", 0)
        dls = greys(workers=0, skip_bad=True)
        original = image_data.read_sample

        def one_is_broken(samples, index, size):
            return "broken" if index == 1 else original(samples, index, size)

        monkeypatch.setattr(image_data, "read_sample", one_is_broken)
        found = Learner(dls, Brightness()).interpret()
        assert [sample.index for sample in found.worst(2)] == [3, 5]
        levels = [round(255 * float(picture.mean())) for picture in shown(found.plot_top_losses(2))]
        assert levels == [0, 90]

    def test_data_that_are_not_images_are_refused(self):
        with pytest.raises(VicinalError, match=r"shape \(8, 3\) are no images"):
            answers(TRUTH, PREDICTED).plot_top_losses()

    def test_nested_data_are_refused(self):
        class First(nn.Linear):
            def forward(self, batch):
                return super().forward(batch["a"])

        x, y = {"a": torch.rand(8, 2), "b": torch.rand(8)}, torch.arange(8) % 2
        dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
        with pytest.raises(VicinalError, match="batches of dict of 2 are no images"):
            Learner(dls, First(2, 2)).interpret().plot_top_losses()


def test_one_pass_that_changes_nothing():
    passes = []

    class Counted(nn.Linear):
        def forward(self, x):
            passes.append(self.training)
            return super().forward(x)

    x, y = torch.randn(7, 3), torch.arange(7) % 3
    dls = DataLoaders.from_tensors(x, y, x, y, bs=2, device="cpu")
    learn = Learner(dls, Counted(3, 3))
    before = torch.get_rng_state()
    found = learn.interpret()
    assert passes == [False] * len(dls.valid)
    assert isinstance(found, Interpretation)
    assert torch.equal(found.probabilities, learn.get_preds()[0])
    assert torch.equal(found.targets, y)
    assert not found.losses.requires_grad
    assert learn.model.training
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("count", [3, 5])
def test_losses_of_each_class_are_not_those_of_samples(count):
    def of_classes(output, target):
        return (-output.log_softmax(1) * F.one_hot(target, 3)).sum(0)

    output, target = torch.randn(count, 3), torch.arange(count) % 3
    with pytest.raises(VicinalError, match=rf"losses of shape \(3,\) for {count} samples"):
        sample_losses(of_classes, output, target)


def test_the_state_of_a_criterion_is_that_after_one_call():
    class Counted(nn.Module):
        calls = 0

        def forward(self, output, target):
            self.calls += 1
            return F.cross_entropy(output, target, reduction="none")

    criterion = Counted()
    output, target = torch.randn(5, 3), torch.arange(5) % 3
    expected = F.cross_entropy(output, target, reduction="none")
    assert torch.equal(sample_losses(criterion, output, target), expected)
    assert criterion.calls == 1


class TestFastaisWords:
    def test_from_learner_is_interpret(self):
        found = ClassificationInterpretation.from_learner(Learner(greys(), Brightness()))
        assert isinstance(found, Interpretation)
        assert found.most_confused(min_val=3) == [("light", "dark", 3)]

    def test_top_losses_are_losses_and_indices(self):
        outputs, y = torch.randn(9, 3), torch.arange(9) % 3
        found = interpret(outputs, y)
        each = F.cross_entropy(outputs, y, reduction="none")
        losses, indices = found.top_losses(2)
        assert torch.equal(indices, each.argsort(descending=True)[:2])
        assert torch.equal(losses, found.losses[indices])
        assert torch.equal(found.top_losses()[1], each.argsort(descending=True))
        assert torch.equal(found.top_losses(4, largest=False)[1], each.argsort()[:4])

    def test_a_grid_of_rows(self):
        figure = Learner(greys(), Brightness()).interpret().plot_top_losses(4, nrows=2)
        assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)
        smallest = Learner(greys(), Brightness()).interpret().plot_top_losses(1, largest=False)
        assert round(255 * float(shown(smallest)[0].mean())) == 250

    def test_chosen_samples(self):
        found = Learner(greys(), Brightness()).interpret()
        figure = found.plot_top_losses([2, 0], figsize=(3, 2))
        assert [round(255 * float(each.mean())) for each in shown(figure)] == [250, 120]
        assert figure.get_size_inches().tolist() == [3, 2]
        results = found.show_results([3])
        assert results.axes[0].get_title() == "truth light\npredicted dark"
        for idxs, said in (([6], "for sample 6: indices are 0 to 5"), ([], "the index of one")):
            with pytest.raises(VicinalError, match=said):
                found.show_results(idxs)

    def test_the_size_of_a_confusion_matrix(self):
        figure = answers(TRUTH, PREDICTED).plot_confusion_matrix(figsize=(4, 3), dpi=60)
        assert (figure.get_size_inches().tolist(), figure.dpi) == ([4, 3], 60)

    def test_the_report_is_scikit_learns(self, capsys):
        answers(TRUTH, PREDICTED, [*ANIMALS, "dog"]).print_classification_report()
        expected = classification_report(
            TRUTH, PREDICTED, labels=range(4), target_names=[*ANIMALS, "dog"], zero_division=0
        )
        assert capsys.readouterr().out == expected + "\n"

    def test_the_training_part(self):
        learn = Learner(greys(), Brightness())
        found = learn.interpret(0)
        assert torch.equal(found.targets, torch.tensor([0, 1] * 3))
        assert found.confusion_matrix().tolist() == [[0, 3], [3, 0]]
        again = Interpretation.from_learner(learn, dl=learn.dls.train)
        assert torch.equal(again.losses, found.losses)

    def test_batches_of_ones_own(self):
        learn = Learner(greys(), Brightness())
        found = learn.interpret(dl=list(learn.dls.valid))
        assert torch.equal(found.top_losses(2)[1], learn.interpret().top_losses(2)[1])
        with pytest.raises(VicinalError, match="a list of batches is not kept"):
            found.plot_top_losses(2)

    def test_samples_without_labels(self):
        learn = Learner(greys(), Brightness())
        files = learn.dls.test_dl(list(learn.dls.valid.dataset.x))
        with pytest.raises(VicinalError, match="these samples have no targets"):
            learn.interpret(dl=files)
