"""Networks for transfer learning: the body of a known one, and a new head."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.models import zoo
from vicinal.models.heads import create_head, initialise
from vicinal.models.zoo import WeightsUnavailable, create_model, pretrained_stats

Stats = tuple[list[float], list[float]]


@dataclass
class Body:
    """What is left of a network without its classifier.

    Args:
        module: from images to features.
        features: how many it gives.
        pooled: whether it gives vectors, and no feature maps.
        stats: the mean and standard deviation of the images that its weights were trained on.
        split_at: where fastai divides it into two parameter groups, see :func:`groups`.
    """

    module: nn.Module
    features: int
    pooled: bool
    stats: Stats | None
    split_at: tuple[int, ...] = ()


class TimmBody(nn.Module):
    """A network of timm's without its classifier.

    Args:
        model: the network.
        maps: give feature maps, not the vectors that the network makes of them.
    """

    def __init__(self, model: Any, maps: bool) -> None:
        super().__init__()
        self.model, self.maps = model, maps

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.model.forward_features(x) if self.maps else self.model(x)
        return features


def transfer_model(
    source: str, arch: str, n_out: int, *, pretrained: bool, split: bool, **head: Any
) -> tuple[nn.Module, Stats | None]:
    """A known body with fastai's head: ``nn.Sequential(body, head)``.

    Args:
        source: "timm" or "torchvision".
        arch: the network's name there.
        n_out: the number of outputs.
        pretrained: load the weights of the body.
        split: divide the body into two parameter groups where fastai does.
        **head: of :func:`create_head`.

    Returns:
        The network, and the statistics that its weights expect of images. ``made_from``, an
        attribute of it, is how :func:`rebuild` makes the same network, as JSON; with a custom head
        it is None.

    Raises:
        WeightsUnavailable: ``pretrained``, and there are no weights or they cannot be loaded.
        VicinalError: the network gives no features of images.
    """
    body = (_from_timm if source == "timm" else _from_torchvision)(arch, pretrained)
    model = add_head(body, n_out, **head)
    if not split:
        model.split_at = ()  # type: ignore[assignment]
    if "custom_head" not in head:
        of_body = {"source": source, "arch": arch, "n_out": n_out, "split": split}
        model.made_from = {"maker": "transfer", **of_body, **head}  # type: ignore[assignment]
    return model, body.stats


def rebuild(source: str, arch: str, n_out: int, split: bool, **head: Any) -> nn.Module:
    """The network of :func:`transfer_model` again, with random weights and without a download.

    >>> model, _ = transfer_model("timm", "resnet18", 3, pretrained=False, split=True)
    >>> made_from = dict(model.made_from)
    >>> made_from.pop("maker")
    'transfer'
    >>> rebuild(**made_from)[1][-1].out_features
    3
    """
    model, _ = transfer_model(source, arch, n_out, pretrained=False, split=split, **head)
    return model


def add_head(
    body: Body, n_out: int, custom_head: nn.Module | None = None, **head: Any
) -> nn.Sequential:
    """A body with a head, whose weights are drawn by :func:`initialise`.

    Args:
        body: the body.
        n_out: the number of outputs.
        custom_head: a head, in place of :func:`create_head`'s.
        **head: of :func:`create_head`.
    """
    if custom_head is None:
        head = {**head, "pool": not body.pooled and head.get("pool", True)}
        custom_head = create_head(body.features, n_out, **head)
    initialise(custom_head)
    model = nn.Sequential(body.module, custom_head)
    model.split_at = body.split_at  # type: ignore[assignment]
    model.made_from = None  # type: ignore[assignment]
    return model.to(memory_format=torch.channels_last)


def groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """The parameter groups of ``nn.Sequential(body, head)``, as fastai divides it.

    Two, or three where ``model.split_at`` holds the index of the body's child at which the second
    group begins; of two indices, the first is the child to be divided.
    """
    body, head = model.children()
    split_at: Any = model.split_at
    if not split_at:
        return [list(body.parameters()), list(head.parameters())]
    *path, index = split_at
    for number in path:
        body = list(body.children())[number]
    children = list(body.children())
    parts = nn.ModuleList(children[:index]), nn.ModuleList(children[index:]), head
    return [list(part.parameters()) for part in parts]


def body_of(arch: Callable[..., nn.Module], pretrained: bool) -> Body:
    """The body of what a function makes that takes ``weights`` or ``pretrained``.

    Raises:
        VicinalError: it takes neither, or its network gives no features of images.
    """
    names = inspect.signature(arch).parameters
    if "weights" in names:
        model = arch(weights="DEFAULT" if pretrained else None)
    else:
        model = arch(pretrained=pretrained)
    return _cut(model, getattr(arch, "__name__", "arch"), pretrained_stats(model))


def _from_timm(name: str, pretrained: bool) -> Body:
    model: Any = create_model(name, 0, pretrained=pretrained)
    stats, split_at = pretrained_stats(model), _split_at(name)
    features: int = model.num_features
    import timm

    if type(model) is timm.models.ResNet:
        # In the order in which they are computed, so that the body is fastai's, layer by layer.
        layers = [
            child for name, child in model.named_children() if name not in ("global_pool", "fc")
        ]
        return Body(nn.Sequential(*layers), features, False, stats, split_at)
    maps = model.default_cfg.get("pool_size") is not None
    size = model.default_cfg.get("input_size", (3, 224, 224))
    shape = _output_shape(TimmBody(model, maps), size) if maps else ()
    if maps and (len(shape) != 4 or shape[1] != features):  # such as Swin's, channels last
        maps = False
    if not maps:
        features = getattr(model, "head_hidden_size", features)
    return Body(TimmBody(model, maps), features, not maps, stats)


def _from_torchvision(name: str, pretrained: bool) -> Body:
    import torchvision

    model = torchvision.models.get_model_builder(name)(weights=None)
    stats = None
    if pretrained:
        weights: Any = torchvision.models.get_model_weights(name)["DEFAULT"]
        try:
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except OSError as error:
            reason = str(error).split(". ")[0]
            raise WeightsUnavailable(
                f"the weights of {name} could not be loaded ({reason})"
            ) from None
        model.load_state_dict(state)
        seen = weights.transforms()
        stats = list(seen.mean), list(seen.std)
    body = _cut(model, name, stats)
    body.split_at = _split_at(name)
    return body


def _cut(model: nn.Module, name: str, stats: Stats | None) -> Body:
    """The body of a network: its children up to the pooling that ends in the classifier."""
    children = list(model.children())
    pooling = [i for i, child in enumerate(children) if _has(child, r"Pool[123]d$")]
    end = pooling[-1] if pooling else 0
    if end == 0 or any(_has(child, r"^Conv") for child in children[end + 1 :]):
        end = len(children) - 1  # it pools by a function: only the classifier is left out
    module = nn.Sequential(*children[:end])
    try:
        shape = _output_shape(module, (3, 64, 64))
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError):
        shape = ()
    if len(shape) != 4:
        raise VicinalError(
            f"the layers of {name} cannot be divided into a body and a head: give the name of a "
            "network in quotes, or make the network yourself and use Learner(dls, …)"
        )
    return Body(module, shape[1], False, stats)


def _has(module: nn.Module, pattern: str) -> bool:
    return any(re.search(pattern, type(each).__name__) for each in module.modules())


@torch.no_grad()
def _output_shape(module: nn.Module, size: tuple[int, ...]) -> tuple[int, ...]:
    device = next(module.parameters()).device
    module.eval()
    try:
        return tuple(module(torch.zeros(1, *size, device=device)).shape)
    finally:
        module.train()


def _split_at(name: str) -> tuple[int, ...]:
    """Where fastai divides a body of that name into two parameter groups; () for nowhere."""
    places: dict[str, tuple[int, ...]] = {
        r"resnet(18|34|50|101|152)": (6,),
        r"xresnet(18|34|50|101)": (3,),
        r"squeezenet1_[01]": (0, 5),
        r"densenet(121|161|169|201)": (0, 7),
        r"vgg(11|13|16|19)_bn": (0, 22),
        r"alexnet": (0, 6),
    }
    return next((at for known, at in places.items() if re.fullmatch(known, name)), ())


def known_source(arch: Callable[..., nn.Module]) -> tuple[str, bool] | None:
    """Where a function's network is known by its name, and whether fastai divides its body.

    Returns:
        "timm" or "torchvision", and the answer; None for other functions.
    """
    import torchvision

    name = getattr(arch, "__name__", "")
    if vars(zoo).get(name) is arch and zoo.is_known(name):
        return "timm", True
    if str(getattr(arch, "__module__", "")).startswith("timm.models") and zoo.is_known(name):
        return "timm", False
    models = torchvision.models
    if name in models.list_models(models) and models.get_model_builder(name) is arch:
        return "torchvision", True
    return None
