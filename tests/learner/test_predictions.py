"""What is predicted, in words and in numbers, and what is said where fastai gives other numbers."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import (
    BCEWithLogitsLossFlat,
    CrossEntropyLossFlat,
    DataLoaders,
    FocalLossFlat,
    Learner,
    MultiCategoryBlock,
    VicinalError,
    noop,
)
from vicinal.data.vocab import Vocab

OUTPUTS = torch.tensor([[2.0, -1.0], [0.5, 0.25], [-1.0, 3.0]])


def learner(y=None, loss=None, vocab=("cat", "dog"), block=None):
    """A network that gives OUTPUTS, for three samples."""
    y = torch.tensor([0, 1, 1]) if y is None else y
    dls = DataLoaders.from_tensors(OUTPUTS, y, OUTPUTS, y, bs=2, device="cpu")
    dls.vocab = vocab and Vocab(vocab)
    if block is not None:
        dls.target_block, dls.loss_func = block, block.loss_func
    return Learner(dls, nn.Identity(), loss)


class TestTheWarning:
    @pytest.mark.parametrize(
        "loss", [nn.CrossEntropyLoss(), F.cross_entropy, lambda o, t: F.cross_entropy(o, t)]
    )
    def test_a_loss_without_an_activation_in_fastai_warns_once(self, loss):
        learn = learner(loss=loss)
        with pytest.warns(UserWarning, match=r"get_preds\(\) gives probabilities with this loss"):
            found = learn.get_preds()[0]
        assert torch.equal(found, OUTPUTS.softmax(1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learn.get_preds()

    @pytest.mark.parametrize(
        ("loss", "y", "vocab"),
        [
            (None, None, ["cat", "dog"]),
            (CrossEntropyLossFlat(), None, ["cat", "dog"]),
            (FocalLossFlat(), None, ["cat", "dog"]),
            (BCEWithLogitsLossFlat(), torch.ones(3, 2), ["cat", "dog"]),
            (nn.MSELoss(), torch.ones(3, 2), None),
        ],
    )
    def test_other_losses_do_not(self, loss, y, vocab):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learner(y, loss, vocab).get_preds()

    def test_who_says_what_is_meant_hears_nothing(self):
        learn = learner(loss=nn.CrossEntropyLoss())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert torch.equal(learn.get_preds(act=noop)[0], OUTPUTS)
            assert torch.equal(learn.get_preds(act=learn.activation)[0], OUTPUTS.softmax(1))
            learn.interpret()
            learn.predict(OUTPUTS[0])

    def test_nor_does_who_leaves_the_loss_to_the_data(self):
        learn = learner(torch.ones(3, 2), block=MultiCategoryBlock())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learn.get_preds()


class TestWords:
    def test_of_a_class(self):
        assert learner().predict(OUTPUTS[2])[:2] == ("dog", 1)
        assert learner(vocab=[False, True]).predict(OUTPUTS[2])[:2] == ("True", 1)

    def test_of_several_labels(self):
        learn = learner(torch.ones(3, 2), block=MultiCategoryBlock())
        names, chosen, probabilities = learn.predict(OUTPUTS[0])
        assert names == ["cat"]
        assert chosen.tolist() == [True, False]
        assert torch.equal(probabilities, OUTPUTS[0].sigmoid())
        assert learn.predict(OUTPUTS[1])[0] == ["cat", "dog"]
        assert learn.predict(torch.tensor([-1.0, -2.0]))[0] == []

    def test_of_values(self):
        learn = learner(torch.ones(3, 2), nn.MSELoss(), None)
        assert learn.predict(OUTPUTS[1])[0] == (0.5, 0.25)

    def test_of_one_output_for_two_classes(self):
        model = nn.Linear(2, 1)
        learn = learner(loss=BCEWithLogitsLossFlat())
        learn.model = model
        for bias, name in ((9.0, "dog"), (-9.0, "cat")):
            nn.init.constant_(model.bias, bias)
            nn.init.zeros_(model.weight)
            assert learn.predict(OUTPUTS[0])[0] == name

    def test_the_threshold_is_that_of_the_loss(self):
        learn = learner(torch.ones(3, 2), BCEWithLogitsLossFlat(thresh=0.6), block=None)
        assert learn.predict(OUTPUTS[1])[0] == ["cat"]  # of 0.62 and 0.56
        decoded = learn.get_preds(with_decoded=True)[2]
        assert decoded.tolist() == [[True, False], [True, False], [False, True]]
        assert learn.interpret().worst(3)[0].predicted == "cat"

    def test_the_input_is_what_the_network_saw(self):
        x = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
        y = torch.arange(4) % 2
        dls = DataLoaders.from_tensors(x, y, x, y, bs=2, vocab=["a", "b"], device="cpu")
        learn = Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
        image, *found = learn.predict(x[0], with_input=True)
        assert torch.equal(image, x[0])
        assert found[0] == learn.predict(x[0])[0]
        assert torch.equal(learner().predict(OUTPUTS[0], with_input=True)[0], OUTPUTS[:1])


def test_the_order_is_always_that_of_the_data():
    assert len(learner().get_preds(reorder=True)) == 2
    with pytest.raises(VicinalError, match="leave reorder=False out"):
        learner().get_preds(reorder=False)
