"""Pictures of how samples of a task are mixed."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.callbacks import MixBatches
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.mixing import Mixer, MixUp
from vicinal.mixing.looking import lend
from vicinal.mixing.schedule import begin_schedules
from vicinal.tasks.task import Task


class Drawn(Task):
    """A task whose samples can be seen, and so their mixes."""

    def picture(self, learn: Learner, mixer: Mixer | Callback | None) -> Callable[[], Any] | None:
        if isinstance(mixer, MixBatches):  # such as RegMixUp
            mixer = mixer.mixer
        if mixer is not None and not isinstance(mixer, Mixer):
            return None  # what a callback mixes cannot be seen
        if mixer is not None and _is_inside(mixer):
            return None  # nor what is mixed inside the network
        shown = mixer or MixUp(0.0)
        state = shown.state_dict()
        # Until the training begins, a schedule does not know its length.
        begin_schedules(shown, self.epochs * len(learn.dls.train), at=shown.random.draws)
        lend(shown, learn.model)
        x, target = shown(*learn.dls.one_batch())
        lend(shown, None)
        shown.load_state_dict(state)  # the training starts with the same draws

        return lambda: self._figure(learn, x, target)

    @abstractmethod
    def _figure(self, learn: Learner, x: Tensor, target: Any) -> Any:
        """A figure of mixed samples and their targets, as the learner trains on them."""

    def mixer_to_show(self) -> Mixer:
        """What ``--mix`` names, for a picture of it.

        Raises:
            VicinalError: there would be nothing to see.
        """
        mixer = self.batch_mixer()
        if mixer is None:
            raise VicinalError("--mix none mixes nothing that could be shown: use mixup")
        if self.layers or _is_inside(mixer):
            raise VicinalError(
                f"--mix {self.options.mix} mixes inside the network, of which there is no picture: "
                "use mixup"
            )
        return mixer


def _is_inside(mixer: Mixer) -> bool:
    return any(inner.at_layers for inner in mixer.nested())
