"""Networks for texts from the Hugging Face hub, or from a folder in its format."""

import inspect
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from vicinal.data.tables import first_sentence, silent
from vicinal.data.text import Tokenizer
from vicinal.errors import VicinalError
from vicinal.models.zoo import WeightsUnavailable

Side = Literal["left", "right"]
_SIDES: tuple[Side, ...] = ("right", "left")
MAX_LENGTH = 512  # attention takes four times as long for twice the tokens
_AT_ONCE = 1000  # texts per call, as lists of ids take many times the memory of arrays


class HubTokenizer(Tokenizer):
    """A tokenizer of the hub.

    Args:
        hub: of the library transformers.
        side: of the padding.
        config: of the model that it belongs to.
    """

    def __init__(self, hub: Any, side: Side, config: Any) -> None:
        self.hub, self.side, self.config, self.pad = hub, side, config, hub.pad_token_id
        hub.padding_side = side
        self.max_length = hub.model_max_length

    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        for start in range(0, len(texts), _AT_ONCE):
            some = list(texts[start : start + _AT_ONCE])
            yield from self.hub(some, truncation=True, max_length=self.max_length)["input_ids"]

    def text(self, ids: Sequence[int]) -> str:
        decoded: str = self.hub.decode(list(ids), skip_special_tokens=True)
        return decoded


class HubTextModel(nn.Module):
    """A sequence classifier of the hub, which takes our batches of tokens and returns logits.

    Two layers have names, so that mixes can be applied to them: ``embedding``, the output of the
    model's token embedding, (B, L, width), and ``sentence``, the logits, (B, n_out): they are a
    linear function of the sentence's features, so mixing either is the same.

    Args:
        model: of the library transformers.
        side: of the padding.
    """

    def __init__(self, model: Any, side: Side) -> None:
        super().__init__()
        self.model = model
        self.embedding, self.sentence = nn.Identity(), nn.Identity()
        self._counts_positions = (
            side == "left" and "position_ids" in inspect.signature(model.forward).parameters
        )

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """The logits, (B, n_out) floats, of ``ids`` (B, L) int64 and ``mask`` (B, L) bool."""
        return self.of_words(self.words(x["ids"]), x["mask"])

    def words(self, ids: Tensor) -> Tensor:
        """The embedded tokens, (B, L, width) floats."""
        words: Tensor = self.embedding(self.model.get_input_embeddings()(ids))
        return words

    def of_words(self, words: Tensor, mask: Tensor) -> Tensor:
        """The logits of embedded tokens."""
        mask = mask.long()
        options = {}
        if self._counts_positions:
            options["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        # Embeddings, not ids: from ids, models find where a text ends, which a mix changes.
        scores = self.model(inputs_embeds=words, attention_mask=mask, **options).logits
        logits: Tensor = self.sentence(scores)
        return logits


def hub_text_model(
    name: str, n_out: int, *, pretrained: bool = True
) -> tuple[HubTextModel, HubTokenizer]:
    """A sequence classifier of the hub and its tokenizer. No code from the hub is run.

    The embedding of padding is zero and is not trained, so that the padding of a text that is
    mixed with a longer one adds nothing.

    Args:
        name: ``hf:NAME``, or a folder with a ``config.json``, a tokenizer and, if pretrained, a
            ``model.safetensors``, as ``save_pretrained`` writes them.
        n_out: the number of classes; a last layer for another number is initialized anew.
        pretrained: load the weights, from the hub or its cache; else they are random.

    Raises:
        WeightsUnavailable: there is no such model, or it cannot be loaded.
        VicinalError: transformers is not installed, or the model does not take our batches.
    """
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise VicinalError(
            f"{name} needs {error.name}: pip install 'vicinal[text]', or use a network of our own"
        ) from None
    transformers.logging.disable_progress_bar()
    with silent(transformers.logging):
        try:
            classifier, hub = _load(transformers, name, n_out, pretrained)
        except VicinalError:
            raise
        except (OSError, ValueError, ImportError, LookupError, RuntimeError, SafetensorError) as e:
            remedy = "check the name and the network, or download it and give its folder"
            if not name.startswith("hf:"):
                remedy = "download it again, or give another folder"
            raise WeightsUnavailable(
                f"{name} cannot be loaded ({first_sentence(e)}): {remedy}"
            ) from None
        _prepare(classifier, hub)
        if any(hub("one").get("token_type_ids", ())):
            raise VicinalError(f"{name} needs token types: use another model")
        # Encoders pool the first token, so padding goes right; decoders the last, so it goes left.
        for side in _SIDES if hub.padding_side == "right" else _SIDES[::-1]:
            model = HubTextModel(classifier, side)
            tokenizer = HubTokenizer(hub, side, classifier.config)
            if _ignores_padding(name, model, tokenizer):
                return model, tokenizer
    raise VicinalError(f"the scores of {name} depend on padding: use another model")


def _load(transformers: Any, name: str, n_out: int, pretrained: bool) -> tuple[Any, Any]:
    path = name.removeprefix("hf:")
    _check_plain(name, path)
    options: dict[str, Any] = {"num_labels": n_out, "trust_remote_code": False}
    hub = transformers.AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    models = transformers.AutoModelForSequenceClassification
    if not pretrained:
        classifier = models.from_config(transformers.AutoConfig.from_pretrained(path, **options))
        return classifier.float(), hub
    classifier, found = models.from_pretrained(
        path,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **options,
    )
    anew = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
    sizes = {key: p.numel() for key, p in classifier.named_parameters()}
    if sum(sizes.get(key, 0) for key in anew) > sum(sizes.values()) / 2:
        raise WeightsUnavailable(f"{name} has weights of another model: download it again")
    return classifier.float(), hub


def save_hub_text(tokenizer: HubTokenizer, folder: Path) -> None:
    """Write a folder from which :func:`hub_text_model` builds the model without weights."""
    tokenizer.config.save_pretrained(folder)
    tokenizer.hub.save_pretrained(folder)


def _check_plain(name: str, path: str) -> None:
    """Fail fast where there is no network, which the hub's client notices after many retries."""
    from huggingface_hub import constants, try_to_load_from_cache

    if Path(path).is_dir():
        return
    if path == name:
        raise WeightsUnavailable(f"{name} is no folder: give one, or hf:NAME for the hub")
    weights = ("model.safetensors", "model.safetensors.index.json")
    try:
        if any(isinstance(try_to_load_from_cache(path, file), str) for file in weights):
            return
    except ValueError as error:
        raise WeightsUnavailable(f"{name} names no model ({first_sentence(error)})") from None
    host = urlsplit(constants.ENDPOINT).hostname
    try:
        if not getproxies():  # a proxy may reach what this machine cannot
            socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        raise WeightsUnavailable(
            f"{name} is not on this machine, and {host} cannot be reached"
        ) from None


def _prepare(classifier: Any, hub: Any) -> None:
    """Give padding a token of its own, whose embedding is zero and is not trained."""
    if hub.pad_token_id is None or hub.pad_token_id == hub.eos_token_id:
        hub.add_special_tokens({"pad_token": "<pad>"})
    if len(hub) > classifier.get_input_embeddings().num_embeddings:
        classifier.resize_token_embeddings(len(hub), mean_resizing=False)
    classifier.config.pad_token_id = hub.pad_token_id
    positions = getattr(classifier.config, "max_position_embeddings", None) or MAX_LENGTH
    hub.model_max_length = min(hub.model_max_length, positions, MAX_LENGTH)
    classifier.config.use_cache = False  # it is for generation
    embedding = classifier.get_input_embeddings()
    embedding.padding_idx = hub.pad_token_id
    with torch.no_grad():
        embedding.weight[hub.pad_token_id] = 0


@torch.no_grad()
def _ignores_padding(name: str, model: HubTextModel, tokenizer: HubTokenizer) -> bool:
    model.eval()
    try:
        alone = model(tokenizer.encode(["one two"]))
        padded = model(tokenizer.encode(["one two", "one two three four five six"]))[:1]
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        raise VicinalError(
            f"{name} takes no embeddings with a mask ({first_sentence(error)}): use another model"
        ) from None
    return torch.allclose(alone, padded, rtol=1e-3, atol=1e-4 * float(alone.abs().max()))
