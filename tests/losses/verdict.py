"""The verdict on a loss: run it on mixed targets, and hold it against plain copies of each sample.

The reference is a plain batch that holds each sample eight times, with its own target in as many
copies as its weight says and with its partner's in the others. A criterion that averages over the
samples, by whatever weights of its own (of classes, of valid pixels), gives for these copies just
what "each sample's losses for both targets, weighted, reduced as the criterion reduces" means.

A criterion whose gradient for one sample depends on the outputs of others is one of the whole
batch, for which no such sum is defined. It may be computed on dense targets, or else is refused.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losses.cases import COPIES, C, Case, drawn
from vicinal import MixLoss, as_tensors

EXACT, DENSE, REFUSED = "exact", "dense", "refused"
WRONG, ERROR = "**wrong**", "**error**"
BATCHES = ((5, 0), (4, 1), (3, 2))  # samples and seed; four are as many as classes
Criterion = Callable[..., Any]


@dataclass
class Loss:
    """A loss as the page names it, and how it is called.

    Args:
        code: the expression that makes it, evaluated among the names of its library.
        kind: of outputs and targets.
        remark: for the page.
        settings: keyword arguments of a function, as code.
        call: (criterion, output, target), where it is not called with the last two.
        by_mix_loss: False where MixLoss does not take it, because it is called otherwise.
        dense: (names, output, dense target) to the loss, for criteria of a whole batch that take
            class indices, and so need other settings for dense targets.
        float32: where the library computes in no other.
        skips_pixels: for losses for which a weight for each pixel means neither what copies nor
            what dense targets give, such as the sum of a loss of images and one of pixels.
    """

    code: str
    kind: str
    remark: str = ""
    settings: str = ""
    call: Callable[..., Any] | None = None
    by_mix_loss: bool = True
    dense: Callable[..., Any] | None = None
    float32: bool = False
    skips_pixels: bool = False

    @property
    def name(self) -> str:
        """The public name in its library."""
        return self.code.split("(")[0]

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.float32 else torch.float64

    @property
    def shown(self) -> str:
        return f"{self.code}(…, {self.settings})" if self.settings else self.code

    def made(self, names: dict[str, Any]) -> Criterion:
        torch.manual_seed(0)
        made = eval(self.code, dict(names))
        if self.settings:
            made = eval(f"functools.partial(made, {self.settings})", {**names, "made": made})
        if isinstance(made, torch.nn.Module):
            made = made.float() if self.float32 else made.double()
        return made


@dataclass
class Found:
    """The verdict by each of the ways that apply to a loss, and why."""

    verdicts: tuple[str, ...]
    why: str


def judge(loss: Loss, names: dict[str, Any]) -> Found:
    """The verdicts on a loss by MixLoss, where it takes it, and by mixed tensors."""
    ways = (by_mix_loss, by_tensors) if loss.by_mix_loss else (by_tensors,)
    verdicts, why = [], ""
    for compute in ways:
        found = set()
        for samples, seed in BATCHES:
            case = drawn(loss.kind, samples, seed, loss.dtype)
            verdict, reason = _of_one_batch(loss, names, case, compute)
            found.add(verdict)
            why += f"{compute.__name__}, {samples} samples: {verdict} {reason}\n" if reason else ""
            if "masks" in loss.kind and not loss.skips_pixels:
                reason = _fault_of_pixels(loss, names, case.of_pixels(), compute)
                found |= {WRONG} if reason else set()
                why += f"{compute.__name__}, weights of pixels: {reason}\n" if reason else ""
        if found == {EXACT, DENSE}:  # a threshold over the batch that no sample crosses in some
            found = {DENSE}
        # By luck of sizes is wrong, too.
        verdicts.append(found.pop() if len(found) == 1 else WRONG)
    return Found(tuple(verdicts), why)


def by_mix_loss(loss: Loss, criterion: Criterion, output: Tensor, target: Any) -> Tensor:
    if loss.call is None:
        return MixLoss(criterion)(output, target)

    def called(output: Any, target: Any) -> Any:
        return loss.call(criterion, output, target)

    return MixLoss(called)(output, target)


def by_tensors(loss: Loss, criterion: Criterion, output: Tensor, target: Any) -> Tensor:
    return plain(loss, criterion, output, as_tensors(target))


def plain(loss: Loss, criterion: Criterion, output: Tensor, target: Any) -> Tensor:
    return criterion(output, target) if loss.call is None else loss.call(criterion, output, target)


def _of_one_batch(
    loss: Loss, names: dict[str, Any], case: Case, compute: Callable[..., Tensor]
) -> tuple[str, str]:
    criterion = loss.made(names)
    plain(loss, criterion, case.output(), case.own)  # an error of it is the entry's
    try:
        found = _with_gradients(
            lambda: compute(loss, criterion, case.output(), case.target), case, criterion
        )
        at_one = copy.copy(case)
        at_one.weight = torch.ones_like(case.weight)
        unmixed = _reduced(compute(loss, criterion, case.output(), at_one.target))
    except Exception as error:
        return _refused(error)
    expected = _reduced(plain(loss, criterion, case.output(), case.own))
    if not torch.allclose(unmixed, expected.to(unmixed.dtype), rtol=1e-5):
        return WRONG, f"weight 1 gives {unmixed.item():.4f}, plain {expected.item():.4f}"
    if _is_per_sample(loss, criterion, case):
        reference = _of_copies(loss, criterion, case)
        return (EXACT, "") if _close(found, reference) else (WRONG, _difference(found, reference))
    references = [_of_copies(loss, criterion, case)]
    references += _of_dense(loss, names, criterion, case)
    if any(_close(found, reference) for reference in references):
        return DENSE, ""
    return WRONG, "of the whole batch: " + _difference(found, references[-1])


def _fault_of_pixels(
    loss: Loss, names: dict[str, Any], case: Case, compute: Callable[..., Tensor]
) -> str:
    """What is wrong with a weight for each pixel.

    A loss that is a sum over pixels must be that of plain copies, one of whole images, such as the
    mean of their Dice losses, that of dense targets. Either may be refused.
    """
    verdict, reason = _of_one_batch(loss, names, case, compute)
    if verdict != WRONG:
        return ""
    criterion = loss.made(names)
    dense = _of_dense(loss, names, criterion, case)
    found = _with_gradients(
        lambda: compute(loss, criterion, case.output(), case.target), case, criterion
    )
    return "" if not dense or _close(found, dense[0]) else reason


def _refused(error: Exception) -> tuple[str, str]:
    return REFUSED if is_ours(error) else ERROR, f"{type(error).__name__}: {error}"


def is_ours(error: Exception) -> bool:
    """Whether it was raised by vicinal, not by another library that mixed targets confused."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and "/vicinal/" in trace.tb_frame.f_code.co_filename


def _reduced(loss: Tensor) -> Tensor:
    return loss.mean() if loss.ndim else loss


def _with_gradients(compute: Callable[[], Tensor], case: Case, criterion: Any) -> list[Tensor]:
    loss = _reduced(compute())
    leaves = [case.leaf, *_parameters(criterion)]
    slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [torch.as_tensor(loss.detach()), *(s for s in slopes if s is not None)]


def _parameters(criterion: Any) -> list[Tensor]:
    if not isinstance(criterion, torch.nn.Module):
        return []
    return [p for p in criterion.parameters() if p.requires_grad]


def _is_per_sample(loss: Loss, criterion: Criterion, case: Case) -> bool:
    """Whether the gradient for the first sample stays when the outputs of the others change."""
    others = case.leaf.detach().clone()
    others[1:] += torch.linspace(-1, 1, others[1:].numel(), dtype=others.dtype).view_as(others[1:])
    slopes = []
    for leaf in (case.leaf, others.requires_grad_()):
        value = _reduced(plain(loss, criterion, case.output(leaf), case.own))
        (slope,) = torch.autograd.grad(value, leaf)
        slopes.append(slope[0])
    return bool(torch.allclose(*slopes, rtol=1e-5, atol=1e-9))


def _of_copies(loss: Loss, criterion: Criterion, case: Case) -> list[Tensor]:
    """The loss and gradients of the plain copies; of a sum, divided by the number of copies."""
    output, _ = case.copies()
    repeated = case.own.repeat_interleave(COPIES, 0)
    once = _reduced(plain(loss, criterion, case.output(), case.own))
    often = _reduced(plain(loss, criterion, output, repeated))
    # A mean is the same for copies, a sum as large as there are; smp's normalised focal loss, a
    # mean that is divided by a sum, that much smaller.
    scale = next(
        (s for s in (1, COPIES, 1 / COPIES) if torch.isclose(often, s * once, rtol=1e-4)), 1
    )
    return _with_gradients(lambda: plain(loss, criterion, *case.copies()) / scale, case, criterion)


def _of_dense(
    loss: Loss, names: dict[str, Any], criterion: Criterion, case: Case
) -> list[list[Tensor]]:
    """The loss and gradients of dense targets, where the criterion takes them."""
    on_dense = loss.dense or _of_one_hot(loss)
    if on_dense is not None:
        dense = case.target.dense(C)
        dense = dense.squeeze(2) if dense.ndim == 5 else dense  # of masks with a channel
        return [_with_gradients(lambda: on_dense(names, case.output(), dense), case, criterion)]
    if not case.own.is_floating_point():
        return []
    dense = case.target.dense()
    return [_with_gradients(lambda: plain(loss, criterion, case.output(), dense), case, criterion)]


def _of_one_hot(loss: Loss) -> Callable[..., Any] | None:
    """The loss on dense targets of MONAI's criteria that else make one-hot targets themselves."""
    code = loss.code.replace("to_onehot_y=True, ", "")
    return None if code == loss.code else lambda names, o, y: eval(code, dict(names))(o, y)


def _close(found: list[Tensor], expected: list[Tensor]) -> bool:
    rtol = 1e-5 if found[0].dtype == torch.float64 else 1e-4
    return len(found) == len(expected) and all(
        torch.allclose(a.double(), b.double(), rtol=rtol, atol=1e-3 * rtol)
        for a, b in zip(found, expected, strict=True)
    )


def _difference(found: list[Tensor], expected: list[Tensor]) -> str:
    return f"{found[0].item():.6f} where {expected[0].item():.6f} is right"
