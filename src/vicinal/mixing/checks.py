"""check_mixer: does a mixer, such as one of your own, behave as all mixers must?"""

import copy
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import FunctionType
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from vicinal.mixing.batch import batch_size, copied, map_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.choice import Choice
from vicinal.mixing.completion import rows
from vicinal.mixing.hidden import ManifoldMixUp
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.probes import (
    application_options,
    are_close,
    are_equal,
    dtypes_of,
    last_axis_first,
    shares_of,
    tensors_in,
    with_floats_as,
    with_gaps,
)
from vicinal.mixing.schedule import Schedule
from vicinal.mixing.target import over_rows


def check_mixer(
    mixer: Mixer, x: Any = None, y: Any = None, *, skip: Collection[str] = ()
) -> tuple[str, ...]:
    """Check that a mixer, such as one of your own, behaves as all mixers must.

    Like scikit-learn's ``check_estimator``, this runs small checks: the same seed draws the same
    mixes, and another rank different ones; a restored state continues the same draws; weights are
    in [0, 1] and equal to the share that samples in fact keep; the caller's tensors do not change;
    every dtype and memory layout leads to the same numbers; odd and empty batches work, as do
    second batches, ``half``, ``torch.compile``, and use inside of wrappers such as ``Choice``.

    Args:
        mixer: the mixer. Only copies of it are used.
        x: (B, ...) samples that it can mix, at least four, as a tensor or a nested batch; None uses
            small images, (7, 3, 8, 8) floats. For a mixer of images with boxes, a list of images.
        y: (B, ...) targets that it can mix; None uses class indices (7,). For a mixer of images
            with boxes, a list of dicts; without ``x``, five images with some objects are used.
        skip: names of checks, out of :data:`CHECKS`, that the mixer fails by design. For example, a
            method whose targets deliberately have other weights than its samples, such as
            :class:`Remix`, skips "weights".

    Returns:
        The names of the checks that were run: of mixers of images with boxes, those that do not
        need tensors (B, ...).

    Raises:
        AssertionError: a check failed; the message names the check and what was found.
        TypeError, ValueError: ``mixer`` is not a mixer or cannot be copied, it cannot mix the
            batch, or there is no check with a name in ``skip``.

    >>> from vicinal import CutMix
    >>> check_mixer(CutMix(), skip=["compiled"])
    ("caller's tensors", 'seed', 'rank', 'state', 'global generators', 'weights', ...)
    >>> class Broken(CutMix):
    ...     def complete(self, mix, batch):
    ...         return type(mix)(mix.partner, mix.weight / 2, mix.patterns)
    >>> check_mixer(Broken())
    Traceback (most recent call last):
    AssertionError: Broken fails the check "weights": it kept ... of sample ..., but its weight ...
    """
    if not isinstance(mixer, Mixer):
        raise TypeError(f"check_mixer checks mixers such as MixUp(), not {mixer!r}")
    if isinstance(mixer, ManifoldMixUp):
        raise TypeError("a ManifoldMixUp belongs to its model: check the mixer that it draws with")
    if mixer.at_layers:
        name = type(mixer).__name__
        raise TypeError(f"{name} mixes inside of a model alone, and check_mixer checks samples")
    for unknown in set(skip) - set(CHECKS):
        raise ValueError(f"there is no check {unknown!r} to skip: choose from {', '.join(CHECKS)}")
    form = mixer.form
    if form is not None and x is None:
        x, y = form.example()
    elif x is None:
        x = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    if y is None:
        y = torch.arange(batch_size(x)) % 3
    mixer = copy.deepcopy(mixer)
    mixer.half = False  # one of the checks sets it
    case = Case(mixer, x, y)
    case.fresh()(*case.batch())  # raises the mixer's own error if it cannot mix the batch at all
    of_form = CHECKS if form is None else CHECKS_OF_FORMS
    run = tuple(check for check in CHECKS if check in of_form and check not in skip)
    for check in run:
        try:
            CHECKS[check](case)
        except AssertionError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            raise AssertionError(
                f'{type(mixer).__name__} fails the check "{check}": it raises {reason}'
            ) from error
    return run


@dataclass(frozen=True)
class Case:
    """A mixer and a batch that it can mix."""

    mixer: Mixer
    x: Any
    y: Any

    def fresh(self, mixer: Mixer | None = None) -> Mixer:
        """A copy of the mixer, or ``mixer`` itself, with seed 0 and no draws so far."""
        reset = copy.deepcopy(self.mixer) if mixer is None else mixer
        reset.load_state_dict({"seed": 0, "draws": 0})
        return reset

    def batch(self) -> tuple[Any, Any]:
        """A copy of the batch."""
        return copied(self.x), copied(self.y)

    def rows(self, count: int) -> tuple[Any, Any]:
        """The first samples and targets, (count, ...)."""
        index = torch.arange(count)
        return rows(self.x, index), rows(self.y, index)

    def constant(self, offset: float = 0.0) -> tuple[Any, Tensor]:
        """The batch with constant samples, sample i of ``10 * i + offset``, and these values, (B,).

        From a constant sample that was mixed with another one, the share it kept can be read off.
        """
        values = 10 * torch.arange(batch_size(self.x)) + offset

        def fill(_: Any, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or not leaf.ndim:
                return leaf
            value = over_rows(values.to(leaf.device), leaf)
            return torch.empty_like(leaf).copy_(value.expand(leaf.shape))

        return map_leaves(fill, self.x), values

    def require(self, condition: bool, check: str, found: str) -> None:
        """Raise an AssertionError unless the condition holds."""
        if not condition:
            name = type(self.mixer).__name__
            raise AssertionError(f'{name} fails the check "{check}": {found}')

    def require_shares(self, check: str, weight: Tensor, shares: Tensor) -> None:
        """Require that the weights of a mix are the shares that samples kept of themselves."""
        weight = weight.cpu().double()
        inside = bool(((weight >= 0) & (weight <= 1)).all())
        span = f"its weights lie between {weight.min():.3g} and {weight.max():.3g}"
        self.require(inside, check, span)
        # Bytes are rounded: by half of one of the 10 that are between two samples.
        are_bytes = any(leaf.dtype == torch.uint8 for leaf in tensors_in(self.x))
        atol = 0.06 if are_bytes else 1e-3
        for row in (~torch.isclose(shares, weight, atol=atol)).nonzero().flatten().tolist():
            share = f"it kept {shares[row]:.3f} of sample {row}"
            self.require(False, check, f"{share}, but its weight is {weight[row]:.3f}")

    def weights_are_shares(self) -> bool:
        """Whether weights are the shares that samples keep; some methods decide otherwise."""
        try:
            check_weights(self)
        except AssertionError:
            return False
        return True


def check_seed(case: Case) -> None:
    first, second = case.fresh(), case.fresh()
    for number in range(3):
        same = are_equal(first(*case.batch()), second(*case.batch()))
        case.require(same, "seed", f"two mixers of the same seed differ in batch {number}")


def check_rank(case: Case) -> None:
    alone, other = case.fresh(), case.fresh()
    with mock.patch("vicinal.rng.rank_and_world_size", return_value=(1, 2)):
        second = [other.draw(*case.batch()) for _ in range(8)]
    first = [alone.draw(*case.batch()) for _ in range(8)]
    differ = any(
        not (torch.equal(a.partner, b.partner) and torch.equal(a.weight, b.weight))
        for a, b in zip(first, second, strict=True)
    )
    case.require(differ, "rank", "two ranks draw the same mixes")


def check_state(case: Case) -> None:
    first, second = case.fresh(), case.fresh()
    for _ in range(2):
        first(*case.batch())
    second.load_state_dict(first.state_dict())
    same = are_equal(first(*case.batch()), second(*case.batch()))
    case.require(same, "state", "after load_state_dict() it draws other mixes")


def check_global_generators(case: Case) -> None:
    before, python = torch.get_rng_state(), random.getstate()
    case.fresh()(*case.batch())
    unchanged = torch.equal(before, torch.get_rng_state()) and python == random.getstate()
    case.require(unchanged, "global generators", "it draws from torch's or Python's generator")


def check_weights(case: Case) -> None:
    x, values = case.constant()
    mixer = case.fresh()
    for _ in range(4):
        mix = mixer.draw(x, case.y)
        if mix.other is None:
            shares = shares_of(mixer, mix, x, values, values[mix.partner.cpu()])
            case.require_shares("weights", mix.weight, shares)


def check_callers_tensors(case: Case) -> None:
    x, y = case.batch()
    case.fresh()(x, y)
    case.require(are_equal((x, y), (case.x, case.y)), "caller's tensors", "it changed them")


def check_neutral(case: Case) -> None:
    mixer: Any = case.fresh()
    if not isinstance(getattr(mixer, "p", None), float):
        return  # a Choice, whose p are probabilities, or another mixer without
    mixer.p = 0.0
    mix, (mixed, _) = mixer.draw(*case.batch()), mixer(*case.batch())
    unmixed = bool((mix.weight == 1).all()) and are_equal(mixed, case.x)
    case.require(unmixed, "neutral", "with p=0 it mixes samples, as it would those of other mixers")


def check_in_place(case: Case) -> None:
    first = case.fresh()(*case.batch())
    second = case.fresh()(*case.batch(), inplace=True)
    case.require(are_equal(first, second), "in place", "with inplace=True the results differ")


def check_dtypes(case: Case) -> None:
    if case.fresh().draw(*case.batch()).other is not None:
        return  # partners from a pool have the pool's dtype
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        x = with_floats_as(case.x, dtype)
        mixer = case.fresh()
        mixed, _ = mixer(x, copied(case.y))
        found = dtypes_of(mixed)
        case.require(found == dtypes_of(x), "dtypes", f"for {dtype} it returns {found}")
        # By the mix of this dtype: one that looks at samples may decide otherwise in another.
        mix = case.fresh().draw(x, copied(case.y))
        expected = mix(with_floats_as(x, torch.float64), **application_options(mixer))
        close = are_close(with_floats_as(mixed, torch.float64), expected, 2e-2)
        case.require(close, "dtypes", f"for {dtype} the results differ from those for float32")


def check_layouts(case: Case) -> None:
    expected, _ = case.fresh()(*case.batch())
    for restride in (last_axis_first, with_gaps):
        x = map_leaves(lambda _, leaf, change=restride: change(leaf), case.x)
        mixed, _ = case.fresh()(x, copied(case.y))
        close = are_close(mixed, expected, 1e-5)
        case.require(close, "layouts", "for tensors that are not contiguous the results differ")


def check_batch_sizes(case: Case) -> None:
    for count in (3, 1, 0):
        x, y = case.rows(count)
        mixed, _ = case.fresh()(copied(x), y)
        alike = dtypes_of(mixed) == dtypes_of(x)
        case.require(alike, "batch sizes", f"for {count} samples it returns {dtypes_of(mixed)}")


def check_second_batch(case: Case) -> None:
    (x, values), (other, others) = case.constant(), case.constant(offset=100.0)
    mixer = case.fresh()
    try:
        mix = mixer.draw(x, case.y, other=(other, case.y))
    except (TypeError, ValueError):
        return  # it rejects second batches
    if case.weights_are_shares():
        shares = shares_of(mixer, mix, x, values, others, other)
        case.require_shares("second batch", mix.weight, shares)


def check_half(case: Case) -> None:
    mixer = case.fresh()
    try:
        mixer.half = True
        mixed, target = mixer(*case.batch())
    except (TypeError, ValueError):
        return  # it rejects half=True
    size, count = batch_size(case.x), (batch_size(case.x) + 1) // 2
    found = batch_size(mixed), batch_size(target)
    case.require(found == (count, count), "half", f"for {size} samples it returns {found}")


def check_wrapped(case: Case) -> None:
    alone = case.fresh().draw(*case.batch())
    expected = [type(pattern) for pattern in alone.patterns] or [Blend]
    inner = copy.deepcopy(case.mixer)
    inner.random.is_seeded = False  # else a seed that the user gave would contradict that of a case
    for mixer in (
        Choice([inner]),
        Schedule(inner, steps=9),
        ManifoldMixUp(nn.Sequential(nn.Identity()), "input", mixer=inner),
    ):
        inside = f"wrapped by {type(mixer).__name__}"
        try:
            mix = case.fresh(mixer).draw(*case.batch())
        except ValueError:  # from a pool of partners, which ManifoldMixUp rejects
            continue
        found = [type(pattern) for pattern in mix.patterns] or [Blend]
        case.require(found == expected, inside, f"it draws {found}, but {expected} alone")
        first, second = case.fresh(mixer)(*case.batch()), case.fresh(mixer)(*case.batch())
        case.require(are_equal(first, second), inside, "two mixers of the same seed differ")
        x, values = case.constant()
        mix = case.fresh(mixer).draw(x, case.y)
        if mix.other is None and case.weights_are_shares():
            shares = shares_of(mixer, mix, x, values, values[mix.partner.cpu()])
            case.require_shares(inside, mix.weight, shares)


def check_compiled(case: Case) -> None:
    eager, inner = case.fresh(), case.fresh()

    def call(x: Any, y: Any) -> Any:
        return inner(x, y)

    # torch.compile caches by code object, up to 8 variants. Each case gets a code object of its
    # own, or many cases in a row would exceed that limit.
    call = FunctionType(call.__code__.replace(), globals(), closure=call.__closure__)
    compiled: Any = torch.compile(call, fullgraph=True, backend="eager")
    for _ in range(2):
        found, expected = compiled(*case.batch()), eager(*case.batch())
        case.require(are_close(found, expected, 1e-5), "compiled", "compiled, the results differ")


#: The checks by their names, in the order in which they run.
CHECKS: dict[str, Callable[[Case], None]] = {
    "caller's tensors": check_callers_tensors,
    "seed": check_seed,
    "rank": check_rank,
    "state": check_state,
    "global generators": check_global_generators,
    "weights": check_weights,
    "neutral": check_neutral,
    "in place": check_in_place,
    "dtypes": check_dtypes,
    "layouts": check_layouts,
    "batch sizes": check_batch_sizes,
    "second batch": check_second_batch,
    "half": check_half,
    "wrapped": check_wrapped,
    "compiled": check_compiled,
}

#: Those for mixers of other batches than tensors (B, ...), such as images with boxes.
CHECKS_OF_FORMS = (
    "caller's tensors",
    "seed",
    "rank",
    "state",
    "global generators",
    "neutral",
    "in place",
)
