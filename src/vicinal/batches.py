"""Whole batches as loaders give them: mixed, with targets that any loss reads."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import distributed
from torch.utils.data import default_collate

from vicinal import mixing
from vicinal.entries import Target, companions, is_mixed_already, put_back, target_keys, without
from vicinal.errors import VicinalError
from vicinal.mixed.tensor import as_tensors, reached_loss
from vicinal.mixing.listed import lists_of
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.schedule import begin_schedules
from vicinal.mixing.target import ALREADY_MIXED


class BatchMixer:
    """A mixer in a training loop: for any trainer, and any batch that contains its targets.

    Call :meth:`begin` before the first batch, the object itself on every training batch, and
    :meth:`end` after the last one. All integrations and the Learner mix through it.

    Args:
        mixer: such as ``MixUp()``.
        target: the key, attribute or position of the target in a batch, or several of them. None
            takes the second item of a pair, and of a dict or named tuple what is called labels,
            label, targets, target or y; a longer tuple needs it.

    Sample weights and indices are mixed as targets, so that each counts with the target that it
    belongs to. In a dict they are found by their names: sample_weight, loss_weight, weight_map, …,
    and integers called index, idx, id or sample_id. In a tuple, name them:
    ``target=(1, 2)`` for (x, y, weight).

    Raises:
        TypeError: ``mixer`` is not a mixer, or a batch is mixed already.
        ValueError: a batch has no target, or it is not clear which part it is.

    >>> from vicinal import MixUp
    >>> import torch
    >>> mix = BatchMixer(MixUp(seed=0))
    >>> mix.begin(batches=1)
    >>> batch = mix({"image": torch.rand(4, 3, 8, 8), "label": torch.arange(4)})
    >>> type(batch["label"]).__name__, batch["label"].partner.shape
    ('MixedTensor', torch.Size([4]))
    >>> mix.end()
    """

    target_option = "target="  # where users name targets, for messages

    def __init__(self, mixer: Mixer, target: Target | None = None) -> None:
        if not isinstance(mixer, Mixer):
            raise TypeError(f"a mixer such as MixUp() is needed, not {_described(mixer)}")
        self.mixer: Any = mixer
        self.target = target
        # The mixer's number of draws when the training began, from which schedules count. It lies
        # before 0 if a fresh mixer joins a training that is under way.
        self._begun_at = 0
        self._resumes = False
        self._has_fields = False  # whether lists in batches are known to hold no samples

    def begin(self, batches: float, done: int = 0) -> None:
        """Begin a training, or resume one after :meth:`load_state_dict`.

        The schedules in the mixer learn how long the training is. With torch.distributed, all
        processes take the first one's state, from which each draws by its rank; so every process
        must call this.

        Args:
            batches: the number of batches that each process trains on; infinity if unknown.
            done: how many of them are already done, in a training that continues.
        """
        self._check_mixer()
        if not self._resumes:
            self._begun_at = self.mixer.random.draws - done
        if distributed.is_available() and distributed.is_initialized():
            state = [self.state_dict()]
            distributed.broadcast_object_list(state)
            self.load_state_dict(state[0])
        self._resumes = False
        if math.isfinite(batches):
            begin_schedules(self.mixer, int(batches), at=self._begun_at)

    def end(self) -> None:
        """End a training, also after an error: release what the mixer holds, such as hooks."""
        self.mixer.release()

    def state_dict(self) -> dict[str, Any]:
        """What is needed to resume in the middle of a training: plain numbers."""
        return {"mixer": self.mixer.state_dict(), "begun_at": self._begun_at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume the training that gave this state; :meth:`begin` must follow."""
        self.mixer.load_state_dict(state["mixer"])
        self._begun_at, self._resumes = state["begun_at"], True

    def __call__(self, batch: Any, target: Target | None = None) -> Any:
        """The batch with its inputs mixed and its targets as :class:`MixedTensor`.

        Args:
            batch: a tuple, list or dict; it is not changed.
            target: as for the class, if it differs between batches.
        """
        keys = target_keys(batch, self.target if target is None else target)
        is_dict = isinstance(batch, Mapping)  # a mixer may refer to inputs by their names
        # By keys(), as iterating over a TensorDict gives its rows.
        inputs = {k: batch[k] for k in batch.keys()} if is_dict else dict(enumerate(batch))  # noqa: SIM118
        targets = {key: inputs.pop(key) for key in keys}
        names = getattr(batch, "_fields", ())
        option = f"{self.target_option} beside {' and '.join(map(repr, keys))}"
        beside = companions(inputs, self.mixer, names, option)
        inputs = without(inputs, beside)
        # Some mixers look at the targets, or bring samples of their own in the form (x, y): a
        # single input or target is passed without its key.
        x, y = self.mix_xy(
            inputs if is_dict else _unwrapped(inputs), _unwrapped({**targets, **beside})
        )
        x = x if is_dict else _rewrapped(x, inputs)
        y = _rewrapped(y, {**targets, **beside})
        x = put_back(x, {path: y.pop(path) for path in beside})
        return _replaced(batch, x | y)

    def mix_xy(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Inputs mixed, and their targets as :class:`MixedTensor`, for a trainer that splits them.

        Args:
            x, y: nested batches; they are not changed.

        Raises:
            TypeError: either of them is mixed already.
        """
        self._check_mixer()
        if is_mixed_already((x, y)):
            raise TypeError(ALREADY_MIXED)
        if self._has_fields:
            # Not by |=, which sets the attribute: the mixer would draw its block of mixes anew.
            self.mixer._known.update(lists_of("x", x), lists_of("y", y))
        x, y = self.mixer(x, y)
        return x, as_tensors(y)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"mixer": storable(self.mixer)}

    def _check_mixer(self) -> None:
        if self.mixer is None:
            raise VicinalError(LEFT_BEHIND)

    def check_reached_loss(self, batch: Any, step: str) -> None:
        """Raise if the loss was not computed from the targets of a mixed batch.

        Args:
            batch: as this mixer gave it.
            step: what computed the loss, for the message.

        Raises:
            RuntimeError: the targets did not reach the loss.
        """
        if not reached_loss(batch):
            raise RuntimeError(
                f"{step} computed a loss, but not from the mixed targets, which it may have read "
                "as numbers (tolist, numpy, item): pass them to a loss of torch's as tensors"
            )


LEFT_BEHIND = (
    "the ManifoldMixUp that mixed here belongs to the model that it was made for, so it is not in "
    "files and copies: make one for this model"
)


def storable(mixer: Mixer | None) -> Mixer | None:
    """A mixer for a file or a copy; None for one that mixes inside of a model."""
    inside = mixer is not None and any(inner.at_layers for inner in mixer.nested())
    return None if inside else mixer


def length(loader: Any) -> float:
    """The number of batches of a loader; infinity if it has no length."""
    try:
        return len(loader)
    except TypeError:
        return math.inf


def batches_of(steps: int, batches: float, accumulated: int) -> float:
    """How many batches a number of optimizer steps takes; an epoch's last step may be of fewer.

    Args:
        steps: of the whole training.
        batches: per epoch; infinity if unknown.
        accumulated: batches per step.

    >>> batches_of(5, batches=5, accumulated=3)  # 3 and 2, 3 and 2, 3
    13
    """
    if math.isinf(batches):
        return steps * accumulated
    epochs, rest = divmod(steps, math.ceil(batches / accumulated))
    return epochs * batches + rest * accumulated


class MixCollate:
    """A ``collate_fn`` for :class:`torch.utils.data.DataLoader` that mixes.

    The loader's workers draw different random numbers, and the same ones again when the program
    starts with the same ``torch.manual_seed`` or the loader has a seeded ``generator``. They draw
    in processes of their own: the mixer's ``state_dict`` does not advance, and a :class:`Schedule`
    needs ``num_workers=0``.

    Args:
        mixer: such as ``MixUp()``.
        collate_fn: from a list of samples to a batch; None takes torch's.
        target: as for :class:`BatchMixer`.

    Raises:
        TypeError, ValueError: as :class:`BatchMixer`.
        ValueError: a schedule draws in a worker.

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
        # torch's joins all samples in each entry of a list, also where there are as many.
        self.mix._has_fields = self.collate_fn is default_collate
        return self.mix(self.collate_fn(samples))


def _described(mixer: Any) -> str:
    """What was given for a mixer, and what to do about it."""
    kind = mixer if isinstance(mixer, type) else type(mixer)
    if issubclass(kind, Mixer):
        return f"{mixer!r}: call it, {kind.__name__}()"
    if hasattr(mixing, kind.__name__):  # such as fastai's MixUp after `import *`
        return (
            f"{kind.__module__}.{kind.__name__}: import vicinal's after all else, from vicinal "
            f"import {kind.__name__}"
        )
    return repr(mixer)


def _unwrapped(parts: dict[Any, Any]) -> Any:
    """A single part without its key; several as they are."""
    return parts if len(parts) > 1 else next(iter(parts.values()))


def _rewrapped(parts: Any, before: dict[Any, Any]) -> dict[Any, Any]:
    """The result of a function of :func:`_unwrapped`, by key again."""
    return parts if len(before) > 1 else dict.fromkeys(before, parts)


def _replaced(batch: Any, parts: dict[Any, Any]) -> Any:
    """A batch of the same type with other parts."""
    if isinstance(batch, Mapping):
        made: Any = copy.copy(batch)
        for name, part in parts.items():
            made[name] = part
        return made
    values = [parts[position] for position in range(len(batch))]
    return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
