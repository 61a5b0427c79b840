"""TextBlock and TextDataLoaders: texts, by fastai's names."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vicinal.data.blocks import InputBlock, LabelledItems, LoaderOptions
from vicinal.data.images import files_below
from vicinal.data.loaders import DataLoaders
from vicinal.data.split_loader import Batches, TensorData
from vicinal.data.text import TextData, Tokenizer, WordTokenizer, check_texts
from vicinal.data.text_folders import read_texts
from vicinal.errors import VicinalError
from vicinal.stored import Misfit, check_fields

FIELDS: dict[str, Any] = {
    "vocab": list[str | bool | int | float] | None,
    "n_out": int,
    "bs": int,
    "words": dict[str, Any],
}


class TextLoaders(DataLoaders):
    """Batches of texts: token ids and a mask, in a dict, padded to the longest text."""

    #: From texts to token ids.
    tokenizer: Tokenizer
    #: The texts of both parts; None where the loaders hold no samples.
    texts: tuple[list[str], list[str]] | None = None

    @classmethod
    def of(
        cls,
        texts: tuple[list[str], list[str]],
        targets: tuple[Tensor, Tensor],
        vocab: list[str] | None,
        n_out: int,
        *,
        tokenizer: Tokenizer | None = None,
        bs: int = 64,
        val_bs: int | None = None,
        seed: int | None = None,
        device: torch.device | str | None = None,
    ) -> "TextLoaders":
        """From texts and targets of the training and of the validation part.

        Args:
            tokenizer: None splits texts into words, of which those that occur twice in the
                training part are known.
            bs, val_bs: batch sizes in training and in validation.
            seed: of the order.
            device: None takes the accelerator, if there is one.

        Raises:
            VicinalError: a text is missing or empty, or the batch size does not go with the data.
        """
        tokenizer = tokenizer or WordTokenizer.of(texts[0])
        train, valid = (TextData(tokenizer, *each) for each in zip(texts, targets, strict=True))
        dls = cls(
            Batches(train, bs, training=True, seed=seed or 0, device=device),
            Batches(valid, val_bs or 2 * bs, device=device),
            vocab,
            n_out,
        )
        dls.tokenizer, dls.texts = tokenizer, texts
        return dls

    def tokenized(self, tokenizer: Tokenizer) -> "TextLoaders":
        """The same texts in another tokenizer's ids, such as that of a network of the hub."""
        assert self.texts is not None, "loaders without samples have nothing to tokenize"
        targets = (self.train.dataset.y, self.valid.dataset.y)
        own = self.of(
            self.texts,
            targets,
            self.vocab,
            self.c,
            tokenizer=tokenizer,
            bs=self.train.sampler.batch_size,
            val_bs=self.valid.sampler.batch_size,
            seed=self.train.sampler.seed,
            device=self.device,
        )
        own.target_block, own.loss_func, own.path = self.target_block, self.loss_func, self.path
        return own

    def to_json(self) -> dict[str, Any]:
        """What these loaders do to new texts, as JSON values, for :meth:`from_json`.

        Raises:
            VicinalError: the tokenizer is that of a network of the hub.
        """
        if not isinstance(self.tokenizer, WordTokenizer):
            raise VicinalError(
                "the tokenizer of a network of the hub cannot be stored in this file: save the "
                "weights by learn.save(), and make the loaders and the learner again"
            )
        fields = {"vocab": self.vocab, "n_out": self.c, "bs": self.bs}
        return {**fields, "words": self.tokenizer.to_json()}

    @classmethod
    def from_json(cls, stored: dict[str, Any], device: torch.device | str) -> "TextLoaders":
        """Loaders without samples, from what :meth:`to_json` returned.

        Raises:
            Misfit: it is something else; the message is a clause.
        """
        check_fields(stored, FIELDS, "data", needed=tuple(FIELDS))
        try:
            tokenizer = WordTokenizer.from_json(stored["words"])
        except VicinalError as error:
            raise Misfit(str(error)) from None
        empty = TensorData({}, torch.empty(0, dtype=torch.int64))
        part = Batches(empty, stored["bs"], device=device)
        dls = cls(part, part, stored["vocab"], stored["n_out"])
        dls.tokenizer = tokenizer
        return dls

    def stack(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Texts, or files of them, to ``ids`` (B, L) and ``mask`` (B, L)."""
        return self.tokenizer.encode(_texts_of(items))

    def described(self, x: dict[str, Tensor]) -> list[dict[str, str]]:
        """The texts of a batch as the network reads them, to be shown."""
        pairs = zip(x["ids"].cpu(), x["mask"].cpu(), strict=True)
        return [{"text": self.tokenizer.text(ids[mask].tolist())} for ids, mask in pairs]


class TextBlock(InputBlock):
    """The input is a text, or a file of one. Make it by :meth:`from_df` or :meth:`from_folder`.

    A text is split into words (:func:`~vicinal.data.text.words_of`); a network of the hub has a
    tokenizer of its own, and takes that instead.

    Args:
        min_freq: rarer words count as unknown.
        max_vocab: the size of the vocabulary, of the most frequent words.
        is_lm: is refused: there are no language models here.
        seq_len: of language models; it is not used.
        vocab: must be None, as the words are those of the training part.
    """

    def __init__(
        self,
        *,
        min_freq: int = 2,
        max_vocab: int = 30_000,
        is_lm: bool = False,
        seq_len: int | None = None,
        vocab: Any = None,
    ) -> None:
        if vocab is not None:
            raise VicinalError(
                "the words that are known are those of the training part: leave vocab out"
            )
        if is_lm:
            raise VicinalError(
                "there are no language models here: leave is_lm out, and give pretrained weights "
                'by text_classifier_learner(dls, "hf:NAME")'
            )
        self.min_freq, self.max_vocab = min_freq, max_vocab

    @classmethod
    def from_df(cls, text_cols: Any = None, **kwargs: Any) -> "TextBlock":
        """Of a data frame, of which ``get_x`` takes the text, such as ``ColReader("text")``.

        Args:
            text_cols: is not read.
            **kwargs: of :class:`TextBlock`.
        """
        return cls(**kwargs)

    @classmethod
    def from_folder(cls, path: Any = None, **kwargs: Any) -> "TextBlock":
        """Of files, one text each.

        Args:
            path: is not read.
            **kwargs: of :class:`TextBlock`.
        """
        return cls(**kwargs)

    def items_of(self, source: Any) -> Any:
        return get_text_files(source) if isinstance(source, str | os.PathLike) else source

    def loaders(self, data: LabelledItems, options: LoaderOptions) -> TextLoaders:
        """As :class:`InputBlock` says; ``seq_len`` of language models is accepted, and not used."""
        if options.item_tfms or options.batch_tfms:
            raise VicinalError("texts have no item_tfms and batch_tfms: leave them out")
        texts = _texts_of(data.x)
        parts = tuple([texts[row] for row in part] for part in (data.train, data.valid))
        values = data.targets.values
        targets = tuple(values[torch.as_tensor(part)] for part in (data.train, data.valid))
        other = {name: value for name, value in options.other.items() if name != "seq_len"}
        known = ("val_bs", "device")
        for name in other:
            if name not in known:
                raise VicinalError(
                    f"texts have no option {name!r}, but bs, seed, {', '.join(known)}"
                )
        check_texts(parts[0])
        tokenizer = WordTokenizer.of(parts[0], min_count=self.min_freq, max_words=self.max_vocab)
        return TextLoaders.of(
            (parts[0], parts[1]),
            (targets[0], targets[1]),
            data.targets.vocab,
            data.targets.n_out,
            tokenizer=tokenizer,
            bs=options.bs,
            seed=options.seed,
            **other,
        )


def get_text_files(
    path: str | os.PathLike[str], recurse: bool = True, folders: Iterable[str] | None = None
) -> list[Path]:
    """All ``.txt`` files below a folder, sorted by name.

    Args:
        recurse: also those in folders below it.
        folders: only those below folders of these names, directly in ``path``.

    Raises:
        VicinalError: the folder does not exist.
    """
    root = Path(path)
    if not root.is_dir():
        raise VicinalError(f"there is no folder {path}: give that of the texts")
    chosen = [folders] if isinstance(folders, str) else folders
    roots = [root] if chosen is None else [root / folder for folder in chosen]
    found = [file for each in roots for file in sorted(files_below(each))]
    return [
        file
        for file in found
        if file.suffix.lower() == ".txt" and (recurse or file.parent in roots)
    ]


def _texts_of(items: Sequence[Any]) -> list[str]:
    """Texts as they are, and the contents of files."""
    if not any(isinstance(item, os.PathLike) for item in items):
        return list(items)
    return read_texts([Path(item) for item in items], [])
