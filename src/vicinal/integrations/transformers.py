"""Mixing in the Trainer of Hugging Face's transformers."""

from typing import Any

from vicinal.batches import BatchMixer, batches_of, length
from vicinal.integrations.needs import missing
from vicinal.mixing.mixer import Mixer

try:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState
    from transformers.training_args import TrainingArguments
except ModuleNotFoundError as error:
    raise missing("transformers", error) from None


class Mixing:
    """A mixin that makes a Trainer mix: ``class MyTrainer(Mixing, Trainer): ...``.

    Args:
        *args, **kwargs: of the Trainer.
        mixer: such as ``MixUp()`` for images. Token ids cannot be mixed, but their embeddings can:
            ``ManifoldMixUp(model, "*.embeddings", mixer=MixUp(), maximum="attention_mask")``.

    Batches are mixed on their device, when their loss is computed; evaluation is not mixed. The
    targets are the entries of a batch that the Trainer's ``label_names`` name, and with them what
    is called sample_weight. The mixer's random state is in ``trainer_state.json`` of every
    checkpoint.

    Raises:
        TypeError: ``mixer`` is not a mixer.
        ValueError: the model's loss cannot be computed for both targets, or a batch has no labels.
        RuntimeError: no loss is computed from the mixed targets, or a subclass computes it without
            this class.
    """

    def __init__(self, *args: Any, mixer: Mixer, **kwargs: Any) -> None:
        mix = BatchMixer(mixer)
        mix.target_option = "TrainingArguments(label_names=...)"
        super().__init__(*args, **kwargs)
        self.mix, self.state_of_mixer = mix, MixerState(mix)
        self.add_callback(self.state_of_mixer)  # type: ignore[attr-defined]

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        trainer: Any = super()
        if not model.training:
            return trainer.compute_loss(model, inputs, *args, **kwargs)
        mixed = self.mix(inputs, self._targets(inputs))
        self.state_of_mixer.has_mixed = True
        kept = [*mixed.values()]  # the Trainer may pop them from the batch
        result = trainer.compute_loss(model, mixed, *args, **kwargs)
        self.mix.check_reached_loss(kept, "the model")
        return result

    def _targets(self, inputs: Any) -> tuple[str, ...] | None:
        names: list[str] = self.label_names  # type: ignore[attr-defined]
        if not names:  # the model's forward has no argument called labels
            return None
        found = tuple(name for name in names if name in inputs)
        if not found:
            raise ValueError(
                f"the batch holds {', '.join(inputs)}, but no {' or '.join(names)}, which mixing "
                "needs: name them in the data, or by TrainingArguments(label_names=...)"
            )
        return found


class MixTrainer(Mixing, Trainer):  # type: ignore[misc]
    """The Trainer of transformers, with mixing.

    ::

        trainer = MixTrainer(model, arguments, train_dataset=train, mixer=MixUp())

    Everything else is as in transformers' own; :class:`Mixing` describes ``mixer``.
    """


# Not the callback's own name: on resuming, the Trainer would create a callback of that name,
# without a mixer.
STATE = "vicinal.mixer"


class MixerState(TrainerCallback):  # type: ignore[misc]
    """Saves the mixer's random state in the Trainer's state, for a training to be resumed.

    Args:
        mix: the mixer of the Trainer.
    """

    def __init__(self, mix: BatchMixer) -> None:
        self.mix, self.has_mixed = mix, False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        train_dataloader: Any = None,
        **_: Any,
    ) -> None:
        saved = state.stateful_callbacks.get(STATE)
        if saved is not None:
            self.mix.load_state_dict(saved)
        in_epoch, accumulated = length(train_dataloader), args.gradient_accumulation_steps
        planned, done = (
            batches_of(steps, in_epoch, accumulated)
            for steps in (state.max_steps, state.global_step)
        )
        self.mix.begin(planned, round(done))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if not self.has_mixed:
            raise RuntimeError(
                "nothing was mixed, as the model is not in training mode, or compute_loss was "
                "overridden without calling Mixing's: inherit from the class that overrides it, "
                "class MyTrainer(Mixing, Other)"
            )
        self.has_mixed = False
        state.stateful_callbacks[STATE] = self.mix.state_dict()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.mix.end()
