"""The registry of the mixing methods that ``--mix`` accepts.

``--help``, the mixers of a training, the mixing board and the table in the docs follow from it.
Classes are named and not imported, because ``--help`` must not load torch.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from vicinal.errors import VicinalError

INPUT: tuple[str, ...] = ()  # applied to the input itself, not to a layer
OTHERS = "other kinds"  # of data, which have no entry of their own
NONE = "none"
Targets = Literal["classes", "values"]


@dataclass(frozen=True)
class MethodEntry:
    """One method of mixing.

    Args:
        name: what ``--mix`` takes.
        factory: the name of its class, which has a file in ``vicinal.mixing.methods``.
        summary: what it does, for the help.
        layers: for each kind of data that it serves, the layers of the network that it may be
            applied to, of which each batch takes one at random; :data:`INPUT` is the input itself.
            :data:`OTHERS` is for all kinds that are not named.
        alpha: its strength where none is given; None for a method without one.
        targets: the only targets that it serves, if it does not serve both.
        maximum: for a kind of data, the part of a batch that becomes the elementwise maximum of
            both samples', such as their masks.
        learned: the argument of its class that is computed from the training targets.
        compared: whether ``vicinal compare`` tries it where the user names no methods.
        on_board: whether the mixing board can show it.
    """

    name: str
    factory: str
    summary: str
    layers: Mapping[str, tuple[str, ...]]
    alpha: float | None = None
    targets: Targets | None = None
    maximum: Mapping[str, str] = field(default_factory=dict)
    learned: Literal["counts", "bandwidth"] | None = None
    compared: bool = False
    on_board: bool = False

    @property
    def mixer(self) -> Any:
        """Its class, a subclass of :class:`Mixer`."""
        file = import_module(f"vicinal.mixing.methods.{self.factory.lower()}")
        return getattr(file, self.factory)

    def layers_for(self, kind: str) -> tuple[str, ...] | None:
        """The layers that it is applied to for a kind of data; None where it does not serve it.

        >>> METHODS["cutmix"].layers_for("images"), METHODS["cutmix"].layers_for("texts")
        ((), None)
        """
        return self.layers.get(kind, self.layers.get(OTHERS))


_IMAGES = {"images": INPUT}
# Categories and words have no meaning halfway between two of them, so they are mixed as vectors.
_EMBEDDED = {"rows": ("inputs",), "texts": ("embedding",)}
_ANY = {**_EMBEDDED, "images": INPUT, OTHERS: INPUT}
_MASK = {"texts": "mask"}
_HIDDEN = {
    "images": ("input",),  # and the first half of the network's own layers
    "rows": ("inputs", "hidden.*"),
    "texts": ("sentence",),
}

METHODS: dict[str, MethodEntry] = {
    method.name: method
    for method in (
        MethodEntry(
            "mixup", "MixUp", "blends both samples",
            _ANY, alpha=0.4, maximum=_MASK, compared=True, on_board=True,
        ),
        MethodEntry(
            "manifoldmixup", "MixUp", "mixup of the activations of a random layer",
            _HIDDEN, alpha=2.0,
        ),
        MethodEntry(
            "remix", "Remix", "mixup that labels in favour of rare classes",
            _ANY, alpha=1.0, targets="classes", maximum=_MASK, learned="counts",
        ),
        MethodEntry(
            "balancedmixup", "BalancedMixUp", "mixup with partners drawn evenly from the classes",
            _ANY, alpha=0.2, targets="classes", maximum=_MASK,
        ),
        MethodEntry(
            "cmixup", "CMixUp", "mixup of samples with near values",
            _EMBEDDED, alpha=2.0, targets="values", maximum=_MASK, learned="bandwidth",
            compared=True,
        ),
        MethodEntry("columnmix", "ColumnMix", "swaps columns", {"rows": INPUT}, alpha=1.0),
        MethodEntry(
            "cutmix", "CutMix", "pastes a box of the partner",
            _IMAGES, alpha=1.0, compared=True, on_board=True,
        ),
        MethodEntry("resizemix", "ResizeMix", "pastes the whole partner, shrunk", _IMAGES),
        MethodEntry(
            "fmix", "FMix", "pastes an irregular region of the partner", _IMAGES, alpha=1.0
        ),
        MethodEntry("gridmix", "GridMix", "pastes cells of a grid", _IMAGES, alpha=1.0),
        MethodEntry("smoothmix", "SmoothMix", "blends in a soft spot of the partner", _IMAGES),
    )
}  # fmt: skip


def parse_mix(mix: str | None, alpha: float | None = None) -> tuple[MethodEntry, ...]:
    """The methods that ``--mix`` names; none of them for ``none``, and mixup for None.

    Args:
        mix: names joined by ``+``, in any case.
        alpha: what ``--alpha`` says, which must go with them.

    Raises:
        VicinalError: a name is unknown, or the methods take no strength.

    >>> [method.factory for method in parse_mix("MixUp+cutmix")]
    ['MixUp', 'CutMix']
    """
    mix = "mixup" if mix is None else mix.lower()
    if mix == NONE:
        return ()
    names = mix.split("+")
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], METHODS, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise VicinalError(
            f"--mix must be {NONE}, or some of {', '.join(METHODS)} joined by +, not {mix}{hint}"
        )
    methods = tuple(METHODS[name] for name in names)
    if alpha is not None and default_alpha(methods) is None:
        raise VicinalError(f"--alpha does not apply to --mix {mix}: leave it out")
    return methods


def default_alpha(methods: tuple[MethodEntry, ...]) -> float | None:
    """The strength where none is given; None for methods without one, or several of them."""
    return methods[0].alpha if len(methods) == 1 else None


def methods_for(kind: str, targets: Targets | None = None) -> list[MethodEntry]:
    """The methods that serve a kind of data, and where given, such targets."""
    return [
        method
        for method in METHODS.values()
        if method.layers_for(kind) is not None
        and (not targets or method.targets in (None, targets))
    ]


def compared_for(kind: str, targets: Targets) -> tuple[str, ...]:
    """The names that ``vicinal compare`` tries where the user names none.

    >>> compared_for("images", "classes"), compared_for("rows", "values")
    (('none', 'mixup', 'cutmix'), ('none', 'mixup', 'cmixup'))
    """
    return (NONE, *(method.name for method in methods_for(kind, targets) if method.compared))


def help_line() -> str:
    """What the help says about ``--mix``."""
    served: dict[str, list[str]] = {}
    for method in METHODS.values():
        served.setdefault(_served(method), []).append(f"{method.name} ({method.summary})")
    groups = "; ".join(f"{data}: {', '.join(methods)}" for data, methods in served.items())
    return (
        f"{groups[0].upper()}{groups[1:]}. Several joined by +, such as mixup+cutmix, take turns "
        "at random; none turns mixing off. Default: mixup, or what the recipe says."
    )


def _served(method: MethodEntry) -> str:
    """The data that a method serves, in a word or two."""
    if method.targets:
        return method.targets
    kinds = [kind for kind in method.layers if kind != OTHERS]
    return "all data" if len(kinds) > 1 else kinds[0]
