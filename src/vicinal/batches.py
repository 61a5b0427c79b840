"""Whole batches as loaders hand them out: mixed, with targets that any loss reads."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import distributed
from torch.utils.data import default_collate

from vicinal.mixed.tensor import as_tensors, reached_loss
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.schedule import begin_schedules

TARGET_NAMES = ("labels", "label", "targets", "target", "y")
Target = str | int | tuple[str | int, ...]


class BatchMixer:
    """Mixes a batch of which one part, or several, is the target.

    Args:
        mixer: such as ``MixUp()``.
        target: the key, attribute or position of the target in a batch, or several of them. None
            takes the last of a tuple or list, and in a dict what is called labels, label, targets,
            target or y.

    Raises:
        TypeError: the mixer is none.
        ValueError: a batch has no target, or it is not said which part it is.

    >>> from vicinal import MixUp
    >>> import torch
    >>> mix = BatchMixer(MixUp(seed=0))
    >>> batch = mix({"image": torch.rand(4, 3, 8, 8), "label": torch.arange(4)})
    >>> type(batch["label"]).__name__, batch["label"].partner.shape
    ('MixedTensor', torch.Size([4]))
    """

    def __init__(self, mixer: Mixer, target: Target | None = None) -> None:
        if not isinstance(mixer, Mixer):
            hint = f": call it, {mixer.__name__}()" if isinstance(mixer, type) else ""
            raise TypeError(f"a mixer such as MixUp() is needed, not {mixer!r}{hint}")
        self.mixer, self.target = mixer, target
        self._begun_at = 0  # how many mixes were drawn before the training, less what is over of it
        self._goes_on = False

    def begin(self, batches: float, done: int = 0) -> None:
        """Say that a training begins, or goes on after :meth:`load_state_dict`.

        Of several processes all draw from the seed of the first, each by its rank.

        Args:
            batches: how many each process sees; infinity where nobody knows.
            done: how many of them are over, in a training that goes on.
        """
        if not self._goes_on:
            self._begun_at = self.mixer.random.draws - done
        if distributed.is_available() and distributed.is_initialized():
            state = [self.state_dict()]
            distributed.broadcast_object_list(state)
            self.load_state_dict(state[0])
        self._goes_on = False
        if math.isfinite(batches):
            begin_schedules(self.mixer, int(batches), at=self._begun_at)

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on in the middle of a training: plain numbers."""
        return {"mixer": self.mixer.state_dict(), "begun_at": self._begun_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where that training was."""
        self.mixer.load_state_dict(state["mixer"])
        self._begun_at, self._goes_on = state["begun_at"], True

    def __call__(self, batch: Any, target: Target | None = None) -> Any:
        """The same batch, its inputs mixed and its targets :class:`MixedTensor`.

        Args:
            batch: a tuple, list or dict.
            target: as for the class, where it is not the same in all batches.
        """
        where = _places(batch, self.target if target is None else target)
        named = isinstance(batch, Mapping)  # a mixer may know inputs by their names
        inputs = dict(batch) if named else dict(enumerate(batch))
        targets = {place: inputs.pop(place) for place in where}
        # Some mixers read the targets, or have samples of their own: lone ones come as they are.
        x, y = self.mixer(inputs if named else _lone(inputs), _lone(targets))
        x = x if named else _placed(x, inputs)
        return _replaced(batch, x | as_tensors(_placed(y, targets)))

    def check_learnt(self, batch: Any, step: str) -> None:
        """Raise where a loss was computed that does not come from the targets of a mixed batch.

        Args:
            batch: as this mixer gave it.
            step: what computed the loss, as it is called in the message.

        Raises:
            RuntimeError: the loss is not of both targets.
        """
        if not reached_loss(batch):
            raise RuntimeError(
                f"{step} computed a loss, but not from the mixed targets, which it may have read "
                "as numbers (tolist, numpy, item): let it give them to a loss of torch's as tensors"
            )


def length(loader: Any) -> float:
    """How many batches a loader has; infinity where it cannot tell."""
    try:
        return len(loader)
    except TypeError:
        return math.inf


def batches_of(steps: int, batches: float, accumulated: int) -> float:
    """How many batches so many steps of an optimizer take, of which the last of an epoch is short.

    Args:
        steps: of the whole training.
        batches: in an epoch; infinity where nobody knows.
        accumulated: in a step.

    >>> batches_of(5, batches=5, accumulated=3)  # 3 and 2, 3 and 2, 3
    13
    """
    if math.isinf(batches):
        return steps * accumulated
    epochs, rest = divmod(steps, math.ceil(batches / accumulated))
    return epochs * batches + rest * accumulated


class MixCollate:
    """A ``collate_fn`` for :class:`torch.utils.data.DataLoader` that mixes.

    The loader's workers draw differently, and the same again where the program begins with the same
    ``torch.manual_seed`` or the loader has a seeded ``generator``. They draw for themselves: the
    mixer's own ``state_dict`` does not move on, and a :class:`Schedule` needs ``num_workers=0``.

    Args:
        mixer: such as ``MixUp()``.
        collate_fn: makes a batch of a list of samples; None takes torch's.
        target: as for :class:`BatchMixer`.

    Raises:
        TypeError, ValueError: as :class:`BatchMixer`.
        ValueError: a schedule is to draw in a worker.

    >>> import torch
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> from vicinal import MixUp
    >>> data = TensorDataset(torch.rand(8, 3), torch.arange(8) % 2)
    >>> loader = DataLoader(data, batch_size=4, collate_fn=MixCollate(MixUp(seed=0)))
    >>> x, y = next(iter(loader))
    >>> torch.nn.functional.cross_entropy(torch.zeros(4, 2), y)  # log(2)
    tensor(0.6931)
    """

    def __init__(
        self,
        mixer: Mixer,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        *,
        target: Target | None = None,
    ) -> None:
        self.mix = BatchMixer(mixer, target)
        self.collate_fn = default_collate if collate_fn is None else collate_fn

    def __call__(self, samples: list[Any]) -> Any:
        return self.mix(self.collate_fn(samples))


def _places(batch: Any, target: Target | None) -> tuple[Any, ...]:
    """The keys or positions of the target in a batch."""
    if isinstance(batch, Mapping):
        there = tuple(batch)
        guessed = tuple(name for name in TARGET_NAMES if name in there)
        if len(guessed) > 1 and target is None:
            raise ValueError(
                f"the batch holds {' and '.join(guessed)}: say which is the target by target="
            )
    elif isinstance(batch, (tuple, list)):
        there = tuple(range(len(batch)))
        guessed = there[-1:] if len(there) > 1 else ()
    else:
        raise ValueError(
            f"the batch is a {type(batch).__name__} without targets, which mixing needs: let "
            "the loader give (x, y), or a dict"
        )
    wanted = guessed if target is None else target
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    if isinstance(batch, (tuple, list)):
        wanted = tuple(_position(batch, place) for place in wanted)
    if not wanted or not set(wanted) < set(there):
        said = "" if target is None else f" {target!r}"
        named = ", ".join(map(str, there)) or "nothing"
        raise ValueError(
            f"the batch holds {named}, but no target{said} beside inputs: say which it is by "
            "target="
        )
    return wanted


def _position(batch: Any, place: str | int) -> Any:
    """The position of a name or number in a tuple."""
    if isinstance(place, str):
        fields = getattr(batch, "_fields", ())
        return fields.index(place) if place in fields else place
    return place + len(batch) if place < 0 else place


def _lone(parts: dict[Any, Any]) -> Any:
    """The only part by itself; several with their places."""
    return parts if len(parts) > 1 else next(iter(parts.values()))


def _placed(parts: Any, before: dict[Any, Any]) -> dict[Any, Any]:
    """What was made of :func:`_lone`, with places again."""
    return parts if len(before) > 1 else dict.fromkeys(before, parts)


def _replaced(batch: Any, parts: dict[Any, Any]) -> Any:
    """A batch of the same kind, of other parts."""
    if isinstance(batch, Mapping):
        made: Any = copy.copy(batch)
        for name in batch:
            made[name] = parts[name]
        return made
    values = [parts[place] for place in range(len(batch))]
    return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
