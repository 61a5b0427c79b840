"""From the options of mixing to a mixer."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.methods import MethodEntry
from vicinal.mixes import OF_CLASSES, MixPart, MixSpec
from vicinal.mixing import Choice, Mixer, Schedule
from vicinal.mixing.partners_by import needs_batch
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

    Returns:
        A mixer of the input, which does not end before the training (see :func:`ending`).

    Raises:
        VicinalError: a setting is out of its range, or the methods cannot take turns.
    """
    spec = options.spec
    _check_end(spec)
    if len(spec.parts) == 1:
        (part,) = spec.parts
        whole = _each(spec) | _together(spec) | ({"p": spec.prob} if spec.prob < 1 else {})
        return _make(part, options.seed, {**learned(part.method), **whole})
    mixers = part_mixers(options, learned)
    if not mixers:
        return None
    are_even = all(part.share is None for part in spec.parts) and spec.prob == 1
    p = None if are_even else [share * spec.prob for share in spec.shares]
    return _choice(options, mixers, p, _each(spec) | _together(spec))


def part_mixers(
    options: TrainOptions, learned: Callable[[MethodEntry], dict[str, Any]]
) -> list[Mixer]:
    """A mixer for each of several methods; arguments as for :func:`make_mixer`."""
    spec = options.spec
    return [
        _make(part, options.seed, {**learned(part.method), **_each(spec)}) for part in spec.parts
    ]


def inside_by_turns(
    options: TrainOptions,
    mixers: Sequence[Mixer],
    are_inside: Sequence[bool],
    place: Callable[[Mixer], Mixer],
) -> Mixer:
    """Methods of which some are applied inside the network: each batch is mixed by one of them.

    Args:
        mixers: of each method, in their order.
        are_inside: which of them are applied inside the network.
        place: applies a mixer to the layers there.

    Raises:
        VicinalError: they cannot take turns.
    """
    spec = options.spec
    shares = [share * spec.prob for share in spec.shares]
    turns: list[tuple[Mixer, float]] = []
    inside: list[tuple[Mixer, float]] = []
    for mixer, share, is_inside in zip(mixers, shares, are_inside, strict=True):
        (inside if is_inside else turns).append((mixer, share))
    total = sum(share for _, share in inside)
    hidden = inside[0][0]
    if len(inside) > 1:
        p = [share / total for _, share in inside]
        hidden = _choice(options, [mixer for mixer, _ in inside], p, _each(spec))
    turns.append((place(hidden), total))
    p = [share for _, share in turns]
    return _choice(options, [mixer for mixer, _ in turns], p, _together(spec) | {"per": "batch"})


def _each(spec: MixSpec) -> dict[str, Any]:
    """What each mixer is told by the settings of the whole."""
    return {"per": "batch"} if spec.mode == "batch" else {}


def _together(spec: MixSpec) -> dict[str, Any]:
    """What the outermost mixer alone is told."""
    partners = "pairs" if spec.mode == "pair" else spec.partners
    return {} if partners == "cycle" else {"partners": partners}


def _choice(
    options: TrainOptions, mixers: list[Mixer], p: list[float] | None, whole: dict[str, Any]
) -> Choice:
    # All of them, or those that mix columns beside others, which have no use for integers.
    integers: Any = next((m.integers for m in mixers if m.integers != "raise"), "raise")
    try:
        return Choice(mixers, p, integers=integers, seed=options.seed, **whole)
    except (TypeError, ValueError) as error:
        raise VicinalError(f"--mix {options.mix} cannot take turns: {error}") from None


def check_partners(spec: MixSpec, targets: str) -> None:
    """Refuse partners by their classes where the targets are none, or where they are rescaled."""
    rescaled = [part.method.name for part in spec.parts if part.method.to_the_end]
    if rescaled and needs_batch(spec.partners):
        raise VicinalError(
            f"--mix {spec.text}: {rescaled[0]} rescales predictions by how far it mixes, which "
            f"depends on the samples with partners={spec.partners}: leave it out"
        )
    if spec.partners in OF_CLASSES and targets != "classes":
        found = "several labels of each" if targets == "labels" else targets
        raise VicinalError(
            f"--mix {spec.text}: partners={spec.partners} goes by classes, and these are {found}: "
            "use near or far, or leave it out"
        )


def _check_end(spec: MixSpec) -> None:
    """Refuse an end of the mixing for methods that have to mix in the whole training."""
    ends = ["until"] if spec.until < 1 else ["off_epoch"] if spec.off_epoch else []
    whole = [part.method.name for part in spec.parts if part.method.to_the_end]
    if ends and whole:
        raise VicinalError(
            f"--mix {spec.text}: {whole[0]} has to mix in the whole training: leave out {ends[0]}"
        )
    finer = ["prob"] if spec.prob < 1 else ["mode"] if spec.mode != "elem" else []
    batches = [part.method.name for part in spec.parts if part.method.of_whole_batches]
    if finer and batches:
        raise VicinalError(
            f"--mix {spec.text}: {batches[0]} mixes every batch as a whole: leave out {finer[0]}"
        )


def _make(part: MixPart, seed: int, given: dict[str, Any]) -> Mixer:
    arguments = {**given, **part.arguments("mixer"), "seed": seed}
    if part.strength is not None:
        arguments["alpha"] = part.strength
    try:
        mixer: Mixer = part.method.mixer(**arguments)
    except ValueError as error:
        name = "--" if str(error).startswith("alpha ") else f"--mix {part.text}: "
        raise VicinalError(f"{name}{error}") from None
    return mixer


def ending(
    mixer: Mixer, spec: MixSpec, epochs: int, *, head_epochs: int = 0, batches: int | None = None
) -> Mixer:
    """The mixer, which ends with the mixing of ``until`` or ``off_epoch`` where they are given.

    Args:
        mixer: of the whole training.
        spec: says when it ends.
        epochs: of the training.
        head_epochs: earlier ones, in a training of their own, that train the head alone. They mix,
            and do not count.
        batches: of each epoch, which are needed where there are ``head_epochs``.

    Raises:
        VicinalError: it ends after the training.
    """
    share = spec.mixing_share(epochs)
    if share == 1:
        return mixer
    if not head_epochs or batches is None:
        return Schedule(mixer, until=share)  # the trainer tells it how long the training is
    whole = head_epochs + epochs
    return Schedule(mixer, until=(head_epochs + share * epochs) / whole, steps=whole * batches)


def check_holds_no_model(mixer: Mixer) -> None:
    """Raise a VicinalError where a copy of a mixer would look at a copy of its model.

    That copy would not be trained, and the mixer would go by its first weights. Of a model that
    nothing trains, as its parameters are frozen, a copy serves as well.
    """
    for inner in mixer.nested():
        for value in _held(inner):
            if not isinstance(value, nn.Module):
                continue
            if any(parameter.requires_grad for parameter in value.parameters()):
                raise VicinalError(
                    f"{inner!r} holds a model, which would be copied with it and stay untrained: "
                    "give a function from the learner to the mixer, such as lambda learn: "
                    f"{type(inner).__name__}(learn.model, ...)"
                )


def _held(mixer: Mixer) -> Iterable[Any]:
    """What a mixer holds, also inside its partners, and by a method that is bound to it."""
    for value in vars(mixer).values():
        inside = [getattr(value, name, None) for name in ("distance", "function")]
        for held in (value, *inside):
            yield from (held, getattr(held, "__self__", None))


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
