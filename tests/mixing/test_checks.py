"""check_mixer: all of ours pass, and each check finds what it is there for."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import (
    AlignMix,
    AttentiveMix,
    BalancedMixUp,
    BetweenClass,
    Choice,
    ClassMix,
    CMixUp,
    ColumnMix,
    CutMix,
    FeatMix,
    FMix,
    GridMix,
    GuidedMixUp,
    HidMix,
    KernelMixUp,
    KMixUp,
    ManifoldMixUp,
    Mix,
    MixUp,
    PuzzleMix,
    Remix,
    ResizeMix,
    SaliencyMix,
    Schedule,
    SmoothMix,
    SnapMix,
    TransMix,
    ZetaMixUp,
    check_mixer,
)
from vicinal.mixing import Blend, Mixer
from vicinal.mixing.batch import leaves
from vicinal.mixing.checks import CHECKS

IMAGES = torch.rand(7, 3, 8, 8)
ROW = {"numbers": torch.rand(7, 3), "categories": torch.randint(5, (7, 2))}
VALUES = torch.rand(7)
SOUNDS = torch.randn(7, 800)
MASKS = torch.randint(4, (7, 8, 8))
POOL = torch.rand(20, 3, 8, 8), torch.rand(20)


class WithoutPatterns(MixUp):
    def complete(self, mix, batch):
        return Mix(mix.partner, mix.weight)


def pooled(images):
    return F.avg_pool2d(images.float(), 2)


MIXERS = {
    "MixUp": (MixUp, ()),
    "MixUp of one weight": (lambda: MixUp(per="batch", p=0.7), ()),
    "MixUp of bytes": (MixUp, ((IMAGES * 255).to(torch.uint8),)),
    "CutMix with a number beside": (lambda: CutMix(fields=0), ((IMAGES, torch.tensor(3.0)),)),
    "A mix without patterns": (lambda: WithoutPatterns(), ()),
    "MixUp in pairs": (lambda: MixUp(partners="pairs"), ()),
    "MixUp of half of the batch": (lambda: MixUp(half=True), ()),
    "MixUp of texts": (lambda: MixUp(integers="leave"), (ROW,)),
    "CutMix": (CutMix, ()),
    "FMix": (FMix, ()),
    "GridMix": (GridMix, ()),
    "ResizeMix": (ResizeMix, ()),
    "SaliencyMix": (SaliencyMix, ()),
    "AttentiveMix": (lambda: AttentiveMix(pooled, top_k=3), ()),
    "SmoothMix": (SmoothMix, ()),
    "ColumnMix": (ColumnMix, (ROW,)),
    "AlignMix": (AlignMix, (IMAGES / 10,)),
    "ClassMix": (ClassMix, (IMAGES, MASKS)),
    "CMixUp": (lambda: CMixUp(0.5), (IMAGES, VALUES)),
    "CMixUp from a pool": (lambda: CMixUp(0.5, pool=POOL), (IMAGES, VALUES)),
    "BalancedMixUp": (BalancedMixUp, ()),
    "KernelMixUp": (KernelMixUp, ()),
    "KernelMixUp of values": (KernelMixUp, (IMAGES, VALUES)),
    "KMixUp": (lambda: KMixUp(2), ()),
    "ZetaMixUp": (lambda: ZetaMixUp(num_classes=3), ()),
    "Choice": (lambda: Choice([MixUp(), CutMix()], [0.5, 0.3]), ()),
    "Choice of one that looks": (lambda: Choice([CutMix(), BalancedMixUp()]), ()),
    "Schedule": (lambda: Schedule(MixUp(), until=0.5, steps=20), ()),
    "Ramp": (lambda: Schedule(CutMix(), alpha=(0.5, 2.0), steps=20), ()),
}
# By design, the weights of their targets are not the shares that samples keep.
DECIDED = {
    "Remix": (lambda: Remix([5, 3, 1]), ()),
    "BetweenClass": (lambda: BetweenClass(8000), (SOUNDS,)),
    "FeatMix": (lambda: FeatMix([3, 0, 1, 1, 2]), (ROW,)),
    "HidMix": (HidMix, ()),
}


@pytest.mark.parametrize(("make", "batch"), MIXERS.values(), ids=MIXERS)
def test_our_mixers_pass_all_checks(make, batch):
    mixer = make()
    # torch 2.6 traces no Fourier transform of unknown length
    skip = ["compiled"] if isinstance(mixer, SaliencyMix) and torch.__version__ < "2.7" else []
    assert check_mixer(mixer, *batch, skip=skip) == tuple(set_without(*skip))


@pytest.mark.parametrize(("make", "batch"), DECIDED.values(), ids=DECIDED)
def test_mixers_with_other_target_weights_pass_the_other_checks(make, batch):
    with pytest.raises(AssertionError, match='fails the check "weights": it kept'):
        check_mixer(make(), *batch)
    skip = ["weights"]
    if isinstance(make(), BetweenClass) and torch.__version__ < "2.7":
        skip.append("compiled")  # torch 2.6 traces no Fourier transform of unknown length
    assert check_mixer(make(), *batch, skip=skip) == tuple(set_without(*skip))


@pytest.mark.slow
def test_guidedmixup_passes_all_checks_but_that_of_ranks():
    """It draws nothing: on the same batch, each rank mixes alike."""
    with pytest.raises(AssertionError, match='fails the check "rank"'):
        check_mixer(GuidedMixUp())
    skip = ["rank", *([] if torch.__version__ >= "2.7" else ["compiled"])]
    assert check_mixer(GuidedMixUp(), skip=skip) == tuple(set_without(*skip))


def small_vit():
    models = pytest.importorskip("timm.models")
    torch.manual_seed(0)
    return models.VisionTransformer(8, 2, embed_dim=8, depth=1, num_heads=2, num_classes=3)


def small_cnn():
    torch.manual_seed(0)
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooled)


# They look with a model, which takes one dtype, and cannot be compiled with its hooks.
LOOKING = {
    "SnapMix": lambda: SnapMix(small_cnn()),
    "PuzzleMix": lambda: PuzzleMix(small_cnn()),
    "TransMix": lambda: TransMix(small_vit()),
    "TransMix of tokens": lambda: TransMix(small_vit(), tokens=True),
}


@pytest.mark.parametrize("make", LOOKING.values(), ids=LOOKING)
def test_mixers_that_look_with_a_model_pass_the_other_checks(make):
    skip = ["weights", "dtypes", "compiled"]
    assert check_mixer(make(), skip=skip) == tuple(set_without(*skip))


def tensors(value):
    return [leaf for _, leaf in leaves(value) if isinstance(leaf, torch.Tensor)]


@pytest.mark.parametrize("name", [*MIXERS, *DECIDED, *LOOKING])
def test_torchs_default_dtype_does_not_matter(name):
    """As inside of Lightning's Trainer(precision="bf16-true")."""
    make, batch = {**MIXERS, **DECIDED}.get(name) or (LOOKING[name], ())
    x = batch[0] if batch else IMAGES
    y = batch[1] if len(batch) > 1 else torch.arange(len(tensors(x)[0])) % 3
    found = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        torch.manual_seed(0)
        mixer = make()
        torch.set_default_dtype(dtype)
        try:
            mixes = [mixer(x, y) for _ in range(3)]
        finally:
            torch.set_default_dtype(torch.float32)
        found[dtype] = tensors([(mixed, getattr(y, "weight", y)) for mixed, y in mixes])
    for expected, *others in zip(*found.values(), strict=True):
        for other in others:
            assert other.dtype == expected.dtype
            assert torch.equal(other, expected)


# In a test of its own, by tests of its own, and inside of a model alone.
ELSEWHERE = "GuidedMixUp", "FreqMix", "MultiMix"


def set_without(*skipped):
    return [name for name in CHECKS if name not in skipped]


def test_every_method_is_checked():
    names = {name.split()[0] for name in [*MIXERS, *DECIDED, *LOOKING, *ELSEWHERE]}
    assert methods_of_mixing() <= names


def methods_of_mixing():
    from vicinal.methods import METHODS
    from vicinal.mixing import methods

    return {*methods.__all__, *(method.factory for method in METHODS.values())}


def test_the_mixer_itself_does_not_change():
    mixer = MixUp(seed=3)
    before = repr(mixer)
    check_mixer(mixer)
    assert (repr(mixer), mixer.random.draws) == (before, 0)


class OwnGenerator(MixUp):
    """Draws from torch's global generator."""

    def pattern(self, count, size, generator):
        return Blend(torch.rand(count))


class IgnoresNeutrality(MixUp):
    """Mixes also samples that belong to another mixer."""

    def complete(self, mix, batch):
        half = torch.full_like(mix.weight, 0.5)
        return Mix(mix.partner, half, (Blend(half),))


class SameOnEveryRank(MixUp):
    def complete(self, mix, batch):
        half = torch.full_like(mix.weight, 0.5)
        order = torch.arange(len(half)).roll(1)
        return Mix(order, half, (Blend(half),))


class Stateful(MixUp):
    """Counts its batches in an attribute that is not in its state_dict."""

    batches = 0

    def complete(self, mix, batch):
        self.batches += 1
        weight = mix.weight / self.batches
        return Mix(mix.partner, weight, (Blend(weight),))


class OtherWeights(CutMix):
    def complete(self, mix, batch):
        return Mix(mix.partner, mix.weight.sqrt(), mix.patterns)


class WeightsAboveOne(MixUp):
    def complete(self, mix, batch):
        return Mix(mix.partner, mix.weight + 1, mix.patterns)


class ChangesTheBatch(MixUp):
    def complete(self, mix, batch):
        batch.y[0] = 1  # which no check notices before this one
        return mix


class InFloat64(MixUp):
    def __call__(self, x, y, *, other=None, inplace=False):
        x, y = super().__call__(x, y, other=other, inplace=inplace)
        return x.double(), y


class TakesOnlyEvenBatches(MixUp):
    def complete(self, mix, batch):
        if len(batch.x) < 2:
            raise AssertionError('TakesOnlyEvenBatches fails the check "batch sizes": too small')
        return mix


class ReadsAValue(MixUp):
    """Control flow that depends on a tensor's values cannot be compiled as one graph."""

    def complete(self, mix, batch):
        return mix if float(batch.x.sum()) < 1e9 else Mix(mix.partner, mix.weight)


class RefusesToBeWrapped(MixUp):
    def check_inside(self, outer):
        raise TypeError(f"it cannot be used inside of {outer}")


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (OwnGenerator, 'seed": two mixers of the same seed differ in batch 0'),
        (SameOnEveryRank, 'rank": two ranks draw the same mixes'),
        (Stateful, 'state": after load_state_dict.. it draws other mixes'),
        (OtherWeights, 'weights": it kept'),
        (WeightsAboveOne, 'weights": its weights lie between'),
        (IgnoresNeutrality, 'neutral": with p=0 it mixes samples'),
        (ChangesTheBatch, "caller's tensors\": it changed them"),
        (InFloat64, 'dtypes": for torch.float32 it returns'),
        (TakesOnlyEvenBatches, 'batch sizes"'),
    ],
)
def test_a_failed_check_is_named(broken, found):
    with pytest.raises(AssertionError, match=rf'^{broken.__name__} fails the check "{found}'):
        check_mixer(broken())


def test_a_mixer_that_cannot_be_compiled_fails():
    with pytest.raises(AssertionError, match=r'fails the check "compiled": it raises .*Error: '):
        check_mixer(ReadsAValue())
    assert "compiled" not in check_mixer(ReadsAValue(), skip=["compiled"])


def test_a_mixer_that_cannot_be_wrapped_fails():
    with pytest.raises(
        AssertionError, match=r'"wrapped": it raises TypeError: .* inside of Choice'
    ):
        check_mixer(RefusesToBeWrapped())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: check_mixer(MixUp),
            TypeError,
            "checks mixers such as MixUp.*, not <cla",
        ),
        (
            lambda: check_mixer(ManifoldMixUp(nn.Sequential(nn.Linear(2, 2)), "0")),
            TypeError,
            "belongs to its model: check the mixer",
        ),
        (
            lambda: check_mixer(MixUp(), skip=["weight"]),
            ValueError,
            "no check 'weight' to skip",
        ),
        (lambda: check_mixer(CutMix(), torch.rand(7, 3)), ValueError, "there are no images"),
    ],
)
def test_invalid_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
    assert issubclass(CutMix, Mixer)


def test_a_mixer_that_looks_may_decide_otherwise_in_lower_precision():
    """What was decided must be applied to every dtype, but the decision may depend on rounding."""

    class Nearest(MixUp):
        def complete(self, mix, batch):
            order = (batch.x.flatten(1).sum(1) * 1e5).argsort()
            partner = torch.empty_like(order).scatter_(0, order, order.roll(1))
            return Mix(partner, mix.weight, mix.patterns)

    x = 0.5 + 1e-4 * torch.rand(7, 3, 8, 8)
    decisions = [
        Nearest(seed=0).draw(x.to(dtype)).partner for dtype in (torch.float32, torch.bfloat16)
    ]
    assert not torch.equal(*decisions)
    assert "dtypes" in check_mixer(Nearest(), x)
