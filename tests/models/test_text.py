"""Our networks for texts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vicinal.data.text import PAD
from vicinal.errors import VicinalError
from vicinal.losses import MixLoss
from vicinal.mixing import ManifoldMixUp, MixedTarget, MixUp
from vicinal.models.text import TextCNN, TextTransformer, create_text_model

SMALL = {
    TextCNN: {"width": 6, "filters": 5},
    TextTransformer: {"width": 8, "heads": 2, "max_length": 12},
}
networks = pytest.mark.parametrize("network", list(SMALL))


def small(network, **kwargs):
    """The network, with biases that are not zero, so that what is not there could show."""
    torch.manual_seed(0)
    model = network(10, 3, **{**SMALL[network], **kwargs})
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.uniform_(parameter, 0.5, 1)
    return model


def batch(lengths, seed=0):
    """Random words, as many as said in each text."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    ids = torch.randint(1, 10, mask.shape, generator=generator)
    return {"ids": ids.where(mask, PAD), "mask": mask}


def padded(x, more):
    return {
        "ids": nn.functional.pad(x["ids"], (0, more), value=PAD),
        "mask": nn.functional.pad(x["mask"], (0, more)),
    }


@networks
@pytest.mark.parametrize("training", [True, False])
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4), more=st.integers(0, 5))
def test_padding_changes_neither_scores_nor_gradients(network, training, lengths, more):
    model = small(network, dropout=0.0).train(training)
    x = batch(lengths)
    found = []
    for seen in (x, padded(x, more)):
        model.zero_grad()
        scores = model(seen)
        scores.square().sum().backward()
        found.append((scores, [p.grad.clone() for p in model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@networks
def test_a_text_is_read_alike_alone_and_among_longer_ones(network):
    model = small(network).eval()
    x = batch([2, 7, 5])
    alone = {"ids": x["ids"][:1, :2], "mask": x["mask"][:1, :2]}
    torch.testing.assert_close(model(alone), model(x)[:1])


@networks
def test_every_word_counts_at_every_place(network):
    model = small(network, **({"filters": 300} if network is TextCNN else {})).eval()
    x = batch([4])
    scores = model(x)
    for place in range(4):
        other = x["ids"].clone()
        other[0, place] = other[0, place] % 9 + 1
        assert not torch.allclose(model({**x, "ids": other}), scores)


@networks
def test_the_padding_row_learns_nothing(network):
    model = small(network)
    model(batch([2, 5])).square().sum().backward()
    embedding = model.embedding if network is TextCNN else model.embedding.words
    assert not embedding.weight[PAD].any()
    assert not embedding.weight.grad[PAD].any()
    assert embedding.weight.grad[1:].any()


def test_a_sentence_is_the_largest_of_each_convolution_over_its_words():
    model = small(TextCNN).eval()
    x = batch([6, 3])
    embedded = model.embedding(x["ids"])
    sentence = model.sentence(embedded, x["mask"])
    for row, length in enumerate([6, 3]):
        # Each window by hand, with zeros before and after the text.
        expected = []
        for conv in model.sentence.convolutions:
            (window,) = conv.kernel_size
            before = window // 2
            words = torch.zeros(length + window, 6)
            words[before : before + length] = embedded[row, :length]
            values = [
                (conv.weight * words[i : i + window].T).sum(dim=(1, 2)) + conv.bias
                for i in range(length)
            ]
            expected.append(torch.stack(values).amax(dim=0).clamp(min=0))
        torch.testing.assert_close(sentence[row], torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_a_mean_is_of_the_words_that_are_there():
    words, mask = torch.tensor([[[1.0], [3.0], [50.0]]]), torch.tensor([[True, True, False]])
    assert small(TextTransformer).sentence(words, mask).tolist() == [[2.0]]


def losses_and_gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters())]


def by_hand(scores, y):
    """The mixed loss, one row after the other."""
    rows = zip(scores.log_softmax(dim=1), LABELS, LABELS[y.partner], y.weight, strict=True)
    return -torch.stack([t * row[own] + (1 - t) * row[other] for row, own, other, t in rows]).mean()


LABELS = torch.tensor([0, 2, 1, 0])


@networks
@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1, 7), min_size=4, max_size=4), seed=st.integers(0, 99))
def test_mixed_embeddings_give_word_mixup(network, lengths, seed):
    """Guo, Mao and Zhang (2019): both texts are padded with zeros to the same length."""
    model = small(network, dropout=0.0)
    x = batch(lengths, seed)
    mixup = ManifoldMixUp(model, ["embedding"], mixer=MixUp(1.0), maximum="mask", seed=seed)
    mixed, y = mixup(x, torch.arange(4))
    target = MixedTarget(LABELS, LABELS[y.partner], y.weight)
    loss = MixLoss(nn.CrossEntropyLoss())(model(mixed), target)
    found = losses_and_gradients(model, loss)

    # Each text for itself, as long as the longer of the two: nothing is padded, nothing masked.
    scores = []
    for row, (partner, t) in enumerate(zip(y.partner.tolist(), y.weight, strict=True)):
        length = max(lengths[row], lengths[partner]) if t < 1 else lengths[row]
        ids = x["ids"][[row, partner], :length]
        words = model.embedding if network is TextCNN else model.embedding.words
        table = torch.cat([torch.zeros_like(words.weight[:1]), words.weight[1:]])
        own, other = table[ids]
        seen = (t * own + (1 - t) * other)[None]
        mask = torch.ones(1, length, dtype=torch.bool)
        if network is TextTransformer:
            seen = model.encoder(seen + model.embedding.positions.weight[:length])
        scores.append(model.head(model.sentence(seen, mask)))
    expected = losses_and_gradients(model, by_hand(torch.cat(scores), y))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@networks
@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1, 7), min_size=4, max_size=4), seed=st.integers(0, 99))
def test_mixed_sentences_give_sentence_mixup(network, lengths, seed):
    """Guo, Mao and Zhang (2019): what the encoder gives for both texts is mixed."""
    model = small(network, dropout=0.0)
    x = batch(lengths, seed)
    mixup = ManifoldMixUp(model, ["sentence"], mixer=MixUp(1.0), seed=seed)
    mixed, y = mixup(x, torch.arange(4))
    target = MixedTarget(LABELS, LABELS[y.partner], y.weight)
    loss = MixLoss(nn.CrossEntropyLoss())(model(mixed), target)
    found = losses_and_gradients(model, loss)

    words = model.embedding(x["ids"])
    if network is TextTransformer:
        words = model.encoder(words, src_key_padding_mask=~x["mask"])
    sentences, t = model.sentence(words, x["mask"]), y.weight[:, None]
    scores = model.head(t * sentences + (1 - t) * sentences[y.partner])
    expected = losses_and_gradients(model, by_hand(scores, y))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_is_not_there_gets_a_near_name():
    with pytest.raises(VicinalError, match="named textcnn: did you mean text_cnn"):
        create_text_model("textcnn", 10, 3, max_length=5)
    with pytest.raises(VicinalError, match="named resnet18: use text_cnn, text_transformer or hf"):
        create_text_model("resnet18", 10, 3, max_length=5)


@pytest.mark.parametrize("name", ["text_cnn", "text_transformer"])
def test_networks_are_made_by_name_for_the_longest_text(name):
    model = create_text_model(name, 50, 4, max_length=9)
    ids = torch.randint(1, 50, (2, 9))
    assert model({"ids": ids, "mask": ids > 0}).shape == (2, 4)
