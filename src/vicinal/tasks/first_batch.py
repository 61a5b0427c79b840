"""The first batch of a training, mixed as it will be, to be drawn."""

from typing import Any

from vicinal.learner.callbacks import MixBatches
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.mixing import ManifoldMixUp, Mixer, MixUp
from vicinal.mixing.schedule import begin_schedules


def mixed_first_batch(
    learn: Learner, mixer: Mixer | Callback | None, epochs: int
) -> tuple[Any, Any] | None:
    """The first batch, mixed; None where what is mixed cannot be seen.

    Args:
        learn: that is about to be trained.
        mixer: what mixes in its training; it is not advanced.
        epochs: of the training.
    """
    if isinstance(mixer, MixBatches):  # such as RegMixUp
        mixer = mixer.mixer
    if mixer is not None and (isinstance(mixer, ManifoldMixUp) or not isinstance(mixer, Mixer)):
        return None  # what is mixed inside the network, or by a callback, cannot be seen
    shown = mixer or MixUp(0.0)
    state = shown.state_dict()
    # Until the training begins, a schedule does not know its length.
    begin_schedules(shown, epochs * len(learn.dls.train), at=shown.random.draws)
    mixed = shown(*learn.dls.one_batch())
    shown.load_state_dict(state)  # the training starts with the same draws
    return mixed
