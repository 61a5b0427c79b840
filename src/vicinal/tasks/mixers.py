"""From the options of mixing to a mixer."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.methods import MethodEntry
from vicinal.mixing import Choice, Mixer
from vicinal.rng import derive_seed
from vicinal.tasks.options import TrainOptions


def _bandwidth(targets: Tensor, classes: int) -> float:
    # On airfoil, near what the paper of C-Mixup found to be best there.
    return targets.double().std().item() / 4


def _counts(targets: Tensor, classes: int) -> Tensor:
    return targets.bincount(minlength=classes)


#: How the arguments of :attr:`MethodEntry.learned` are computed from the training targets.
LEARNED: dict[str, Callable[[Tensor, int], Any]] = {"bandwidth": _bandwidth, "counts": _counts}


def make_mixer(
    options: TrainOptions, learned: Callable[[MethodEntry], dict[str, Any]] = lambda method: {}
) -> Mixer | None:
    """The mixer that the options ``--mix`` and ``--alpha`` name; None for no mixing.

    Args:
        learned: from a method to those of its arguments that depend on the data.

    Raises:
        VicinalError: alpha is out of its range, or the methods cannot take turns.
    """
    mixers = [_make(method, options, learned(method)) for method in options.methods]
    if len(mixers) <= 1:
        return mixers[0] if mixers else None
    try:
        return Choice(mixers, integers=mixers[0].integers, seed=options.seed)
    except (TypeError, ValueError) as error:
        raise VicinalError(f"--mix {options.mix} cannot take turns: {error}") from None


def _make(method: MethodEntry, options: TrainOptions, learned: dict[str, Any]) -> Mixer:
    arguments = {**learned, "seed": options.seed}
    alpha = method.alpha if options.alpha is None else options.alpha
    if alpha is not None:
        arguments["alpha"] = alpha
    try:
        mixer: Mixer = method.mixer(**arguments)
    except (TypeError, ValueError) as error:
        raise VicinalError(f"--{error}") from None
    return mixer


def check_holds_no_model(mixer: Mixer) -> None:
    """Raise a VicinalError where a copy of a mixer would look at a copy of its model.

    That copy would not be trained, and the mixer would go by its first weights.
    """
    for inner in mixer.nested():
        for value in vars(inner).values():
            if isinstance(value, nn.Module) and any(True for _ in value.parameters()):
                raise VicinalError(
                    f"{inner!r} holds a model, which would be copied with it and stay untrained: "
                    "give a function from the learner to the mixer, such as lambda learn: "
                    f"{type(inner).__name__}(learn.model, ...)"
                )


def seed_mixers(mixers: Iterable[Mixer], seed: int) -> None:
    """Give each mixer a seed of its own, the first one this seed, and no draws so far."""
    for index, mixer in enumerate(mixers):
        own = derive_seed(seed, index) if index else seed
        mixer.random.load_state_dict({"seed": own, "draws": 0})


def from_python(mix: Any, learn: Learner, seed: int) -> Mixer | Callback | None:
    """What mixes in a training, of what a Python caller or a recipe gave as ``mix``.

    Args:
        mix: a mixer, which is copied; a callback, which is used as it is; a class of either; or a
            function from the learner to either, or to None.
        learn: the learner that is about to be trained.
        seed: of the mixers, whatever seeds they had.

    Raises:
        VicinalError: it is none of these.
    """
    if isinstance(mix, Mixer):
        check_holds_no_model(mix)
        mix = copy.deepcopy(mix)  # the caller's keeps its own random state
    elif callable(mix) and not isinstance(mix, Callback):
        mix = mix() if isinstance(mix, type) else mix(learn)
    if isinstance(mix, Mixer):
        seed_mixers(mix.nested(), seed)
        return mix
    if mix is None or isinstance(mix, Callback):
        return mix
    raise VicinalError(
        f"mix must be a name, a mixer such as MixUp(), a callback, or a class or function that "
        f"makes one, not {mix!r}"
    )
