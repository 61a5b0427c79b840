"""text_classifier_learner: a Learner for texts."""

from typing import Any

from torch import nn

from vicinal.data.text import WordTokenizer
from vicinal.data.text_block import TextLoaders
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.models.hub_text import hub_text_model
from vicinal.models.text import create_text_model


class AWD_LSTM:
    """The name of fastai's network for texts, of which there is none here.

    :func:`text_classifier_learner` says what to give instead.
    """


def text_classifier_learner(
    dls: TextLoaders,
    arch: str = "text_cnn",
    *,
    pretrained: bool = True,
    drop_mult: float = 1.0,
    n_out: int | None = None,
    **kwargs: Any,
) -> Learner:
    """A Learner for texts.

    Args:
        dls: of :class:`TextDataLoaders`, or of a :class:`DataBlock` with :class:`TextBlock`.
        arch: ``"text_cnn"`` or ``"text_transformer"``, which start from random weights; or
            ``"hf:NAME"``, a network of the Hugging Face hub, whose tokenizer then replaces the
            data's words, in ``learn.dls``.
        pretrained: start networks of the hub from its weights.
        drop_mult: multiplies the probability of every dropout, of networks that are not the hub's.
        n_out: how many numbers the network gives; None takes what the data need.
        **kwargs: of :class:`Learner`.

    Raises:
        VicinalError: the loaders are not of texts, or there is no such network.
    """
    if not isinstance(dls, TextLoaders):
        raise VicinalError(
            f"text_classifier_learner takes loaders of texts, not {type(dls).__name__}: make them "
            "by TextDataLoaders.from_df(df, …)"
        )
    if not isinstance(arch, str):
        name = getattr(arch, "__name__", repr(arch))
        raise VicinalError(
            f'{name} is no network for texts here: give "text_cnn", "text_transformer", or '
            '"hf:NAME" for pretrained weights, such as "hf:distilbert-base-uncased"'
        )
    outputs = dls.c if n_out is None else n_out
    model: nn.Module
    if arch.startswith("hf:"):
        if drop_mult != 1:
            raise VicinalError(
                f"the dropout of {arch} is in its own settings: leave drop_mult={drop_mult} out"
            )
        model, tokenizer = hub_text_model(arch, outputs, pretrained=pretrained)
        dls = dls.tokenized(tokenizer)
    else:
        words = dls.tokenizer
        if not isinstance(words, WordTokenizer):
            raise VicinalError(f"{arch} takes words, and these texts are in a hub's tokens")
        model = create_text_model(
            arch, len(words), outputs, max_length=words.max_length, drop_mult=drop_mult
        )
    return Learner(dls, model, **kwargs)
