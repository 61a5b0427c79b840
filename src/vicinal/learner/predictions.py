"""Predictions: of a part of the data, with views, and of single samples."""

import warnings
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from accelerate.utils import send_to_device
from torch import Tensor

from vicinal.activations import activates_silently, decoding_of
from vicinal.errors import VicinalError
from vicinal.learner.interpretation import Interpretation
from vicinal.learner.misnamed import suggesting
from vicinal.learner.parts import Part, chosen_part
from vicinal.learner.sample_losses import sample_losses
from vicinal.learner.tta import averaged_over_views
from vicinal.losses import MixLoss
from vicinal.processes import gathered

if TYPE_CHECKING:
    from vicinal.learner.inference import Inference


class Predictions:
    """The part of a Learner that predicts."""

    _has_told = False  # that outputs are activated where fastai's are not

    @suggesting
    def get_preds(
        self,
        ds_idx: int = 1,
        dl: Part | None = None,
        *,
        with_input: bool = False,
        with_decoded: bool = False,
        with_loss: bool = False,
        act: Callable[[Tensor], Tensor] | None = None,
        reorder: bool = True,
    ) -> tuple[Any, ...]:
        """Probabilities (or values) and targets, on the CPU, in the order of the data.

        Also the training part is predicted without augmentation. A loss of torch's, such as
        :class:`torch.nn.CrossEntropyLoss`, gives probabilities, too, and a warning says so once, as
        fastai gives the network's outputs there: any ``act`` says which is meant.

        Args:
            ds_idx: 0 for the training part, 1 for the validation part.
            dl: other samples in their place, such as ``dls.test_dl(files)``, or a list of batches
                ``(x, y)``.
            with_input, with_decoded, with_loss: return these, too.
            act: from the network's outputs to what is returned, in place of the loss's activation,
                ``learn.activation``: ``noop`` gives the outputs themselves.
            reorder: must be True, as predictions always are in the order of the data.

        Returns:
            The inputs if wanted, (N, C) float32 probabilities, (N, ...) targets or None where there
            are none, what is predicted (for classes (N,) int64) if wanted, and the loss of each
            sample (N,) if wanted: in this order, which is fastai's.

        Raises:
            VicinalError: there is no such part, or no batch in it; a loss is wanted where there are
                no targets; or ``reorder`` is False.
        """
        learn = cast("Inference", self)
        if not reorder:
            raise VicinalError(
                "predictions are always in the order of the data: leave reorder=False out, and put "
                "nothing in order yourself"
            )
        if act is None:
            self._tell_of_activation("get_preds")
        activation = learn.activation if act is None else act
        parts = []
        with closing(learn._passes(chosen_part(learn.dls, ds_idx, dl))) as passes:
            for x, output, y in passes:
                row = [send_to_device(x, "cpu")] if with_input else []
                row += [activation(output).cpu(), None if y is None else y.cpu()]
                if with_decoded:
                    row.append(self.decoded(learn.activation(output)).cpu())
                if with_loss:
                    row.append(self._losses(output, y))
                parts.append(tuple(row))
        return tuple(gathered(parts))

    def _tell_of_activation(self, method: str) -> None:
        """Warn once where fastai gives outputs: code from there would activate them again."""
        learn = cast("Inference", self)
        given = learn.loss_func is not learn.dls.loss_func  # by the user, and not by the data
        if (
            given
            and not self._has_told
            and activates_silently(learn.loss_func, learn.dls.is_classes)
        ):
            self._has_told = True
            warnings.warn(
                f"{method}() gives probabilities with this loss, where fastai gives the network's "
                "outputs: write get_preds(act=noop) for outputs, or take a loss such as "
                "CrossEntropyLossFlat(), with which both give probabilities",
                stacklevel=4,  # past the check of the arguments
            )

    def decoded(self, activations: Tensor) -> Tensor:
        """From activated outputs to predicted targets.

        Args:
            activations: (B, ...), such as probabilities.

        Returns:
            Of classes their indices (B,); of several labels (B, C) bool, by the loss's ``thresh``
            if it has one; of masks the class of each pixel; of values the values. By a loss of your
            own with a method ``decodes``, what that gives.
        """
        learn = cast("Inference", self)
        own = decoding_of(learn.loss_func)
        if own is not None:
            return own(activations)
        thresh = getattr(MixLoss(learn.loss_func).criterion, "thresh", None)
        return learn.dls.decode(activations) if thresh is None else activations > thresh

    def _losses(self, output: Tensor, y: Any) -> Tensor:
        """The loss of each sample, on the CPU."""
        if y is None:
            raise VicinalError(
                "these samples have no targets, so there is no loss of them: predict them without "
                "with_loss"
            )
        return sample_losses(cast("Inference", self).loss_func, output, y).cpu()

    @suggesting
    def tta(
        self,
        ds_idx: int = 1,
        dl: Part | None = None,
        n: int = 4,
        *,
        beta: float = 0.25,
        use_max: bool = False,
        uncertain: float = 1.0,
    ) -> tuple[Tensor, Tensor | None]:
        """Test-time augmentation: as :meth:`get_preds`, averaged over random views of each sample.

        The mean of ``n`` passes with the training part's random augmentation has weight 3/4, the
        pass without augmentation 1/4. The views follow from the data's seed: a second call gives
        the same result, and later trainings are not affected.

        Args:
            ds_idx: 0 for the training part, 1 for the validation part.
            dl: other samples in their place, such as ``dls.test_dl(files)``.
            n: the number of random views of each sample, 1 or more.
            beta: the weight of the pass without augmentation, between 0 and 1.
            use_max: the largest value over all passes in place of their mean.
            uncertain: the share of the samples that get views, above 0 and up to 1: those with the
                lowest largest probability, of samples that each have one class. The others keep
                the probabilities of the pass without augmentation.

        Raises:
            VicinalError: the training part has no random augmentation, ``n`` is below 1, ``beta``
                is out of its range, ``dl`` is a list of batches, or ``uncertain`` is no share, or
                below 1 where outputs are no probabilities of classes.

        Source: fastai's ``Learner.tta``; ``uncertain`` from hiverge's cifar10-speedrun.
        """
        learn = cast("Inference", self)
        if dl is None and ds_idx not in (0, 1):
            raise VicinalError(
                f"ds_idx is 0 or 1, not {ds_idx!r}: to get {ds_idx} views, write tta(n={ds_idx})"
            )
        part = chosen_part(learn.dls, ds_idx, dl)
        self._tell_of_activation("tta")
        return averaged_over_views(learn, part, n, beta, use_max, uncertain)

    def interpret(self, ds_idx: int = 1, dl: Part | None = None) -> Interpretation:
        """Where the network errs: confusion matrix and largest losses.

        Args:
            ds_idx, dl: the part, as for :meth:`get_preds`: by default, validation.

        Raises:
            VicinalError: the loss function gives no loss for each sample, or there are no targets.
        """
        learn = cast("Inference", self)
        part = chosen_part(learn.dls, ds_idx, dl)
        found = self.get_preds(dl=part, with_loss=True, act=learn.activation)
        probabilities, targets, losses = found
        return Interpretation(learn.dls, probabilities, targets, losses, part, self.decoded)

    @suggesting
    def predict(self, item: Any, *, with_input: bool = False) -> tuple[Any, ...]:
        """Predict one sample.

        Args:
            item: of the kind that the data consists of: an image file, a PIL image, an array of
                its pixels, or a tensor, which is not resized.
            with_input: return what the network was given, too, before the others.

        Returns:
            What is predicted: the name of the class, a list of the names of several labels, a mask
            (H, W) int64, or a tuple of the values. Then the same as a tensor: the index of the
            class, (C,) bool, the mask, or the values. Then the probabilities (C, ...), or the
            values.

            The input, if wanted, is an image (3, H, W) of bytes without its normalization; of other
            data, a batch of the one sample.

        Raises:
            VicinalError: the output is not finite.
        """
        learn = cast("Inference", self)
        x = learn.dls.test_batch([item])
        ((output, _),) = learn._outputs([(x, None)])
        probabilities = learn.activation(output)[0].cpu()
        if not probabilities.isfinite().all():
            raise VicinalError(
                "the network's output is not a finite number: look for NaN or huge values in the "
                "sample, or train the network again"
            )
        chosen = self.decoded(probabilities[None])[0]
        found = (_in_words(chosen, learn.dls.vocab), chosen, probabilities)
        return (_as_given(learn.dls, x), *found) if with_input else found


def _in_words(chosen: Tensor, vocab: list[Any] | None) -> Any:
    """A decoded prediction as fastai gives it: a name, a list of names, a mask, or numbers.

    >>> import torch
    >>> _in_words(torch.tensor(1), ["cat", "dog"])
    'dog'
    >>> _in_words(torch.tensor([True, False]), ["cat", "dog"])
    ['cat']
    >>> _in_words(torch.tensor([2.5]), None)
    (2.5,)
    """
    if chosen.ndim > 1:
        return chosen
    if vocab is None or chosen.is_floating_point():
        return tuple(chosen.flatten().tolist())
    if chosen.ndim == 0 or (len(chosen) == 1 and len(vocab) > 1):  # one output for two classes
        return str(vocab[int(chosen)])  # also of labels that are none, as in fastai
    return [name for name, is_chosen in zip(vocab, chosen.tolist(), strict=True) if is_chosen]


def _as_given(dls: Any, x: Any) -> Any:
    """The input of a batch of one: of an image its pixels."""
    if isinstance(x, Tensor) and x.ndim == 4:
        return (dls.pictures(x)[0] * 255).round().byte()
    return send_to_device(x, "cpu")
