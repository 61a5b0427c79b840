"""Small networks for texts, to be trained from scratch."""

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vicinal.data.text import MAX_LENGTH, PAD
from vicinal.errors import VicinalError


class TextCNN(nn.Module):
    """Convolutions over the words, each with max pooling over the text.

    ``embedding`` gives (B, L, width), zero for padding; ``sentence`` gives
    (B, windows * filters), and ``head`` the logits. Padding never influences them.

    Args:
        n_words: how many token ids there are; id 0 is padding.
        n_out: the number of classes.
        width: of the embeddings.
        filters: of each kernel size.
        windows: the kernel sizes, in words.
        dropout: probability for the sentence's features.

    Source: Y. Kim, Convolutional Neural Networks for Sentence Classification (EMNLP 2014),
    section 2, as CNN-rand; the convolutions here also see the words at the border.

    >>> x = {"ids": torch.tensor([[5, 2, 0]]), "mask": torch.tensor([[True, True, False]])}
    >>> TextCNN(n_words=10, n_out=6)(x).shape
    torch.Size([1, 6])
    """

    def __init__(
        self,
        n_words: int,
        n_out: int,
        *,
        width: int = 300,
        filters: int = 100,
        windows: Sequence[int] = (3, 4, 5),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = _small(nn.Embedding(n_words, width, padding_idx=PAD))
        self.sentence = _LargestOfConvolutions(width, filters, windows)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(len(windows) * filters, n_out))

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """The logits, (B, n_out) floats, of ``ids`` (B, L) int64 and ``mask`` (B, L) bool."""
        return self.of_words(self.words(x["ids"]), x["mask"])

    def words(self, ids: Tensor) -> Tensor:
        """The embedded words, (B, L, width) floats."""
        words: Tensor = self.embedding(ids)
        return words

    def of_words(self, words: Tensor, mask: Tensor) -> Tensor:
        """The logits of embedded words."""
        scores: Tensor = self.head(self.sentence(words, mask))
        return scores


def _small(embedding: nn.Embedding) -> nn.Embedding:
    """Initial values a tenth of torch's default, with which words are learned faster and better."""
    with torch.no_grad():
        embedding.weight *= 0.1
    return embedding


class _LargestOfConvolutions(nn.Module):
    def __init__(self, width: int, filters: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, filters, window, padding=window // 2) for window in windows
        )

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        words, mask = words.transpose(1, 2), mask[:, None]
        # An even kernel gives one value too many. After ReLU no value is below 0, so one that is
        # masked to 0 is never the maximum.
        found = [conv(words)[..., : mask.shape[2]].relu() * mask for conv in self.convolutions]
        return torch.cat([values.amax(dim=2) for values in found], dim=1)


class TextTransformer(nn.Module):
    """A small transformer encoder with mean pooling over the words.

    ``embedding`` gives (B, L, width), words and positions; ``encoder`` the same; ``sentence``
    gives their mean (B, width), and ``head`` the logits. Padding never influences them.

    Args:
        n_words: how many token ids there are; id 0 is padding.
        n_out: the number of classes.
        max_length: tokens of the longest text.
        width: of the embeddings.
        layers: of the encoder.
        heads: of its attention.
        dropout: probability.

    Source: A. Vaswani et al., Attention Is All You Need (2017), section 3.1, with the
    normalization first and learned positions.

    >>> x = {"ids": torch.tensor([[5, 2, 0]]), "mask": torch.tensor([[True, True, False]])}
    >>> TextTransformer(n_words=10, n_out=6)(x).shape
    torch.Size([1, 6])
    """

    def __init__(
        self,
        n_words: int,
        n_out: int,
        *,
        max_length: int = MAX_LENGTH,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = _WordsAndPositions(n_words, max_length, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.sentence = _MeanOverWords()
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, n_out))

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """The logits, (B, n_out) floats, of ``ids`` (B, L) int64 and ``mask`` (B, L) bool."""
        return self.of_words(self.words(x["ids"]), x["mask"])

    def words(self, ids: Tensor) -> Tensor:
        """The embedded words and positions, (B, L, width) floats."""
        words: Tensor = self.embedding(ids)
        return words

    def of_words(self, words: Tensor, mask: Tensor) -> Tensor:
        """The logits of embedded words."""
        encoded = self.encoder(words, src_key_padding_mask=~mask)
        scores: Tensor = self.head(self.sentence(encoded, mask))
        return scores


class _WordsAndPositions(nn.Module):
    _batch_is_first = True  # for ManifoldMixUp: see mixing/layouts.py

    def __init__(self, n_words: int, max_length: int, width: int) -> None:
        super().__init__()
        self.words = _small(nn.Embedding(n_words, width, padding_idx=PAD))
        self.positions = _small(nn.Embedding(max_length, width))

    def forward(self, ids: Tensor) -> Tensor:
        # Padding has a position, too: a word that is mixed with padding keeps its whole position.
        return self.words(ids) + self.positions.weight[: ids.shape[1]]


class _MeanOverWords(nn.Module):
    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        mask = mask[..., None]
        return (words * mask).sum(dim=1) / mask.sum(dim=1)


OWN = ("text_cnn", "text_transformer")


def create_text_model(
    name: str, n_words: int, n_out: int, *, max_length: int, drop_mult: float = 1.0
) -> nn.Module:
    """One of our own networks for texts, by name.

    Args:
        name: ``text_cnn`` or ``text_transformer``.
        n_words: how many token ids there are.
        n_out: the number of classes.
        max_length: tokens of the longest text.
        drop_mult: multiplies the probability of every dropout, up to 1.

    Raises:
        VicinalError: there is no network of that name; near names are offered.

    >>> create_text_model("text_cnn", 100, 6, max_length=20).head[1].out_features
    6
    """
    check_text_model(name)
    model: nn.Module
    if name == "text_cnn":
        model = TextCNN(n_words, n_out)
    else:
        model = TextTransformer(n_words, n_out, max_length=max_length)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = min(1.0, module.p * drop_mult)
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = min(1.0, module.dropout * drop_mult)
    settings = {"name": name, "n_words": n_words, "n_out": n_out, "max_length": max_length}
    model.made_from = {  # type: ignore[assignment]
        "maker": "text_model",
        **settings,
        "drop_mult": drop_mult,
    }
    return model


def check_text_model(name: str) -> None:
    """Raise a VicinalError if none of our own networks has that name."""
    if name in OWN:
        return
    near = difflib.get_close_matches(name, OWN)
    hint = f"did you mean {near[0]}?" if near else f"use {', '.join(OWN)} or hf:NAME"
    raise VicinalError(f"there is no network for texts named {name}: {hint}")
