"""From the options of mixing to a mixer."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from vicinal.errors import VicinalError
from vicinal.mixing import BalancedMixUp, Choice, CMixUp, Mixer, MixUp, Remix, methods
from vicinal.tasks.options import TrainOptions

_OF_IMAGES = ("ColumnMix", "CutMix", "FMix", "GridMix", "MixUp", "ResizeMix", "SmoothMix")
METHODS: dict[str, Any] = {
    **{name.lower(): getattr(methods, name) for name in _OF_IMAGES},
    "cmixup": CMixUp,
    "remix": Remix,
    "balancedmixup": BalancedMixUp,
    "manifoldmixup": MixUp,  # laid inside the network
}
MANIFOLD_ALPHA = 2.0  # as in its paper


def check_mix(options: TrainOptions) -> list[str]:
    """The methods that ``--mix`` names, if there are such, and ``--alpha`` goes with them.

    Raises:
        VicinalError: they are not, or it does not.
    """
    mix = "mixup" if options.mix is None else options.mix.lower()
    if mix == "none":
        return []
    names = mix.split("+")
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], METHODS, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise VicinalError(
            f"--mix must be none, or some of {', '.join(METHODS)} joined by +, not {mix}{hint}"
        )
    if options.alpha is not None and usual_alpha(names) is None:
        raise VicinalError(f"--alpha says nothing about --mix {mix}: leave it out")
    return names


def usual_alpha(names: list[str]) -> float | None:
    """The strength of a method where none is given; None for those that have none, or several."""
    if names == ["manifoldmixup"]:
        return MANIFOLD_ALPHA
    found = inspect.signature(METHODS[names[0]]).parameters.get("alpha") if names else None
    return found.default if found and len(names) == 1 else None


def make_mixer(
    options: TrainOptions, learned: Callable[[str], dict[str, Any]] = lambda name: {}
) -> Mixer | None:
    """The mixer that the options ``--mix`` and ``--alpha`` name; None for no mixing.

    Args:
        learned: from a method's name to those of its arguments that the data tell.

    Raises:
        VicinalError: as :func:`check_mix`, or alpha is out of its range.
    """
    names = check_mix(options)
    arguments: dict[str, Any] = {"seed": options.seed}
    if options.alpha is not None or names == ["manifoldmixup"]:
        arguments["alpha"] = MANIFOLD_ALPHA if options.alpha is None else options.alpha
    learnt = [learned(name) for name in names]
    try:
        mixers = [
            METHODS[name](**own, **arguments) for name, own in zip(names, learnt, strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise VicinalError(f"--{error}") from None
    if len(mixers) <= 1:
        return mixers[0] if mixers else None
    try:
        return Choice(mixers, integers=mixers[0].integers, seed=options.seed)
    except (TypeError, ValueError) as error:
        raise VicinalError(f"--mix {options.mix} takes no turns: {error}") from None
