"""Cross-entropy of mixed targets in one pass equals two calls of the criterion in every respect."""

import copy
import functools
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from vicinal import CrossEntropyLossFlat, MixedTarget, MixLoss
from vicinal.mixing import compiled

INF = torch.inf


def reduced(criterion, losses, target):
    """The reduction of torch's criteria on class indices, written out."""
    if criterion.reduction == "none":
        return losses
    if criterion.reduction not in ("mean", "sum"):
        raise ValueError(criterion.reduction)
    total = losses.sum(dtype=torch.promote_types(losses.dtype, torch.float32))
    if criterion.reduction == "mean":
        valid = target != criterion.ignore_index
        counts = valid.to(total.dtype)
        if criterion.weight is not None:
            counts = counts * criterion.weight.to(total.dtype)[target.where(valid, 0)]
        total = total / counts.sum()
    return total.to(losses.dtype)


class TwoCalls(nn.CrossEntropyLoss):
    """torch's cross-entropy, which MixLoss must take for a user's, and call for each target."""

    def forward(self, input, target):
        settings = {"ignore_index": self.ignore_index, "label_smoothing": self.label_smoothing}
        losses = F.cross_entropy(input, target, self.weight, reduction="none", **settings)
        return reduced(self, losses, target)


class TwoCallsOfFlat(TwoCalls):
    def __init__(self, axis, **arguments):
        super().__init__(**arguments)
        self.axis = axis

    def forward(self, input, target):
        return super().forward(input.movedim(self.axis, 1), target)


class TwoCallsOfNLL(nn.NLLLoss):
    def forward(self, input, target):
        settings = {"ignore_index": self.ignore_index, "reduction": "none"}
        return reduced(self, F.nll_loss(input, target, self.weight, **settings), target)


def batch(*shape, classes=5, dtype=torch.float64, seed=0):
    """Scores with the classes on axis 1, and a target of which some rows are not mixed."""
    g = torch.Generator().manual_seed(seed)
    scores = torch.randn((shape[0], classes, *shape[1:]), generator=g).mul(3).to(dtype)
    share = torch.rand(shape[0], generator=g, dtype=torch.promote_types(dtype, torch.float32))
    share[::4], share[1::4] = 1, 0
    own, partner = torch.randint(classes, (2, *shape), generator=g)
    return scores.requires_grad_(), MixedTarget(own, partner, share)


def ignored(y, label, seed=1):
    """A fifth of the labels of either side ignored, independently."""
    g = torch.Generator().manual_seed(seed)
    return MixedTarget(
        *(t.masked_fill(torch.rand(t.shape, generator=g) < 0.2, label) for t in (y.own, y.partner)),
        y.weight,
    )


def loss_and_gradient(criterion, scores, y):
    loss = MixLoss(criterion)(scores, y)
    g = torch.Generator().manual_seed(2)
    (gradient,) = torch.autograd.grad(
        loss, scores, torch.rand(loss.shape, generator=g).to(loss.dtype)
    )
    return loss, gradient


def assert_equal(found, expected, eps=None):
    """Up to a few roundings of the dtype, or of ``eps``."""
    for a, b in zip(found, expected, strict=True):
        tolerance = 8 * (eps or torch.finfo(b.dtype).eps)
        torch.testing.assert_close(a, b, equal_nan=True, rtol=tolerance, atol=tolerance)


arguments = st.fixed_dictionaries(
    {
        "reduction": st.sampled_from(["mean", "sum", "none"]),
        "label_smoothing": st.sampled_from([0.0, 0.1, 1.0]),
        "ignore_index": st.sampled_from([-100, 2, 255]),
        "weight": st.sampled_from([None, torch.linspace(0.2, 2, 5, dtype=torch.float64)]),
    }
)


@settings(deadline=None)
@given(arguments, st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 99))
def test_it_is_the_criterion_called_twice(arguments, shape, seed):
    scores, y = batch(*shape, seed=seed)
    y = ignored(y, arguments["ignore_index"])
    expected = loss_and_gradient(TwoCalls(**arguments), scores, y)
    assert_equal(loss_and_gradient(nn.CrossEntropyLoss(**arguments), scores, y), expected)
    partial = functools.partial(F.cross_entropy, **arguments)
    assert_equal(loss_and_gradient(partial, scores, y), expected)


@settings(deadline=None)
@given(arguments, st.sampled_from([-3, -2, -1, 0, 1, 2]))
def test_any_class_axis(arguments, axis):
    scores, y = batch(4, 3)
    y = ignored(y, arguments["ignore_index"])
    scores = scores.movedim(1, axis).detach().requires_grad_()
    expected = loss_and_gradient(TwoCallsOfFlat(axis=axis, **arguments), scores, y)
    assert_equal(
        loss_and_gradient(CrossEntropyLossFlat(axis=axis, **arguments), scores, y), expected
    )


@settings(deadline=None)
@given(arguments)
def test_nll_reads_log_probabilities(arguments):
    del arguments["label_smoothing"]
    scores, y = batch(7, 2)
    y = ignored(y, arguments["ignore_index"])
    expected = loss_and_gradient(TwoCallsOfNLL(**arguments), scores, y)
    assert_equal(loss_and_gradient(nn.NLLLoss(**arguments), scores, y), expected)
    partial = functools.partial(F.nll_loss, **arguments)
    assert_equal(loss_and_gradient(partial, scores, y), expected)


@settings(deadline=None)
@given(
    st.sampled_from(["mean", "sum", "none"]),
    st.floats(0, 1),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
)
def test_it_is_the_loss_of_the_dense_target(reduction, smoothing, shape):
    scores, y = batch(*shape)
    criterion = nn.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing)
    assert torch.allclose(MixLoss(criterion)(scores, y), criterion(scores, y.dense(5)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_first_and_second_derivatives(reduction, smoothing):
    weight = torch.linspace(0.2, 2, 5, dtype=torch.float64)
    loss = MixLoss(nn.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing))
    scores, y = batch(3, 2)
    y.own[0, 0], y.partner[1] = -100, -100
    share = y.weight.clamp(0.1, 0.9).requires_grad_()

    def f(scores, share):
        return loss(scores, MixedTarget(y.own, y.partner, share))

    assert torch.autograd.gradcheck(f, (scores, share))
    assert torch.autograd.gradgradcheck(f, (scores, share))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_every_dtype(dtype, reduction):
    weight = torch.linspace(0.5, 2, 5, dtype=dtype)
    scores, y = batch(9, 2, dtype=dtype)
    y = ignored(y, -100)
    found = loss_and_gradient(nn.CrossEntropyLoss(weight, reduction=reduction), scores, y)
    expected = loss_and_gradient(TwoCalls(weight, reduction=reduction), scores, y)
    assert_equal(found, expected)


@pytest.mark.parametrize("weight", [None, torch.linspace(0.5, 2, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_autocast(dtype, weight):
    scores, y = batch(9, dtype=dtype)
    log_probs = scores.detach().log_softmax(1)
    for criterion, reference, output in (
        (nn.CrossEntropyLoss(weight), TwoCalls(weight), scores),
        (nn.NLLLoss(weight), TwoCallsOfNLL(weight), log_probs),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            found, expected = MixLoss(criterion)(output, y), MixLoss(reference)(output, y)
        assert_equal([found], [expected], eps=torch.finfo(torch.bfloat16).eps)
        assert found.dtype == torch.float32


def test_a_half_precision_mean_over_many_pixels():
    """More than the largest float16: counted in float32."""
    scores = torch.zeros(1, 2, 400, 400, dtype=torch.float16, requires_grad=True)
    labels = torch.zeros(1, 400, 400, dtype=torch.long)
    y = MixedTarget(labels, 1 - labels, torch.tensor([0.25]))
    loss = MixLoss(nn.CrossEntropyLoss())(scores, y)
    assert loss.item() == pytest.approx(0.6931, rel=1e-3)


class TestCompiled:
    """In single precision a loop is taken, where numba is installed."""

    two_dimensional = given(arguments, st.integers(1, 50), st.integers(0, 99))

    @settings(deadline=None)
    @two_dimensional
    def test_it_is_the_criterion_called_twice(self, arguments, rows, seed):
        arguments["label_smoothing"] = 0.0
        if arguments["weight"] is not None:
            arguments["weight"] = arguments["weight"].float()
        scores, y = batch(rows, dtype=torch.float32, seed=seed)
        y = ignored(y, arguments["ignore_index"])
        expected = loss_and_gradient(TwoCalls(**arguments), scores, y)
        found = loss_and_gradient(nn.CrossEntropyLoss(**arguments), scores, y)
        assert_equal(found, expected, eps=1e-6)

    @pytest.mark.parametrize("layout", ["transposed", "strided labels", "strided shares"])
    def test_layouts(self, layout):
        scores, y = batch(6, dtype=torch.float32)
        expected = loss_and_gradient(TwoCalls(), scores, y)
        if layout == "transposed":
            scores = scores.detach().t().contiguous().t().requires_grad_()
        if layout == "strided labels":
            y = MixedTarget(*torch.stack((y.own, y.partner), 1).unbind(1), y.weight)
        if layout == "strided shares":
            y = MixedTarget(y.own, y.partner, torch.stack((y.weight, y.weight), 1)[:, 1])
        assert_equal(loss_and_gradient(nn.CrossEntropyLoss(), scores, y), expected, eps=1e-6)

    def test_second_derivatives(self):
        """Through the gradient of the loss, as a penalty on it takes them."""

        def penalised(criterion):
            scores, y = batch(7, dtype=torch.float32)
            loss = MixLoss(criterion)(scores, y)
            (gradient,) = torch.autograd.grad(loss, scores, create_graph=True)
            return torch.autograd.grad(gradient.square().sum() + loss, scores)

        assert_equal(penalised(nn.CrossEntropyLoss()), penalised(TwoCalls()), eps=1e-6)

    def test_batched_gradients(self):
        scores, y = batch(7, dtype=torch.float32)
        loss = MixLoss(nn.CrossEntropyLoss())(scores, y)
        (once,) = torch.autograd.grad(loss, scores, retain_graph=True)
        times = torch.tensor([1.0, 2.0, 0.0])
        (several,) = torch.autograd.grad(loss, scores, times, is_grads_batched=True)
        assert_equal([several], [once * times[:, None, None]])

    def test_weights_that_require_grad(self):
        scores, y = batch(7, dtype=torch.float32)
        share = y.weight.mul(0.8).add(0.1).requires_grad_()

        def gradient(criterion):
            loss = MixLoss(criterion)(scores, MixedTarget(y.own, y.partner, share))
            return torch.autograd.grad(loss, share)

        assert_equal(gradient(nn.CrossEntropyLoss()), gradient(TwoCalls()), eps=1e-6)

    def test_the_loop_runs(self, monkeypatch):
        """Otherwise the tests above would compare one implementation with itself."""
        loops = pytest.importorskip("vicinal.mixing.loops")
        taken, run = [], loops.run

        def watched(loop, *arguments, **options):
            taken.append(loop)
            return run(loop, *arguments, **options)

        monkeypatch.setattr(loops, "run", watched)
        scores, y = batch(7, dtype=torch.float32)
        loss_and_gradient(nn.CrossEntropyLoss(), scores, y)
        loss_and_gradient(CrossEntropyLossFlat(weight=torch.ones(5)), scores, y)
        assert taken == [loops.nll_of_pairs, loops.spread_pairs] * 2
        for criterion in (nn.CrossEntropyLoss(reduction="none"), TwoCalls()):
            loss_and_gradient(criterion, scores, y)
        loss_and_gradient(nn.CrossEntropyLoss(), *batch(7, 2, dtype=torch.float32))
        loss_and_gradient(nn.CrossEntropyLoss(), *batch(7))
        assert len(taken) == 4


@pytest.mark.parametrize("with_loops", [True, False])
class TestWithoutShare:
    """A label that does not count brings nothing in, not even its infinity."""

    @pytest.fixture(autouse=True)
    def loops_or_operations(self, with_loops, monkeypatch):
        if not with_loops:
            monkeypatch.setattr(compiled, "loops", lambda: None)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_weights_of_exactly_zero_and_one(self, reduction, smoothing):
        scores = torch.tensor([[0.0, 1, -INF if not smoothing else -1e30]] * 2, requires_grad=True)
        y = MixedTarget(torch.tensor([0, 2]), torch.tensor([2, 1]), torch.tensor([1.0, 0.0]))
        criterion = nn.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing)
        plain = criterion(scores, torch.tensor([0, 1]))
        expected = plain, torch.autograd.grad(plain.sum(), scores)[0]
        loss = MixLoss(criterion)(scores, y)
        assert_equal((loss, torch.autograd.grad(loss.sum(), scores)[0]), expected)
        assert bool(expected[1].isfinite().all())

    def test_an_infinite_loss_with_a_share_is_infinite_and_not_nan(self):
        scores = torch.tensor([[0.0, 1, -INF]])
        for own, partner in ((0, 2), (2, 0)):
            y = MixedTarget(torch.tensor([own]), torch.tensor([partner]), torch.tensor([0.3]))
            assert MixLoss(nn.CrossEntropyLoss())(scores, y) == INF
            assert MixLoss(TwoCalls())(scores, y) == INF

    def test_ignored_labels_of_a_sample_whose_first_class_is_impossible(self):
        scores = torch.tensor([[-INF, 1.0, 2.0], [0.0, 1.0, 2.0]], requires_grad=True)
        y = MixedTarget(torch.tensor([-100, 1]), torch.tensor([-100, 2]), torch.tensor([0.3, 0.3]))
        loss = MixLoss(nn.CrossEntropyLoss())(scores, y)
        assert torch.allclose(loss, MixLoss(nn.CrossEntropyLoss())(scores[1:], y[1:]))
        (gradient,) = torch.autograd.grad(loss, scores)
        assert gradient[0].tolist() == [0, 0, 0]

    def test_smoothing_of_an_ignored_sample_with_an_impossible_class(self):
        scores = torch.tensor([[-INF, 1.0], [0.0, 1.0]], requires_grad=True)
        y = MixedTarget(torch.tensor([-100, 1]), torch.tensor([-100, 0]), torch.tensor([0.3, 0.3]))
        criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
        loss = MixLoss(criterion)(scores, y)
        assert torch.allclose(loss, MixLoss(criterion)(scores[1:], y[1:]))
        assert bool(torch.autograd.grad(loss, scores)[0].isfinite().all())

    @pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss, TwoCalls])
    def test_if_all_labels_are_ignored_the_mean_is_that_of_torch(self, criterion):
        scores, y = batch(3)
        y = MixedTarget(y.own * 0 - 100, y.partner * 0 - 100, y.weight)
        loss = MixLoss(criterion())(scores, y)
        assert bool(loss.isnan())
        assert bool(F.cross_entropy(scores, y.own).isnan())
        assert torch.autograd.grad(loss, scores)[0].tolist() == [[0] * 5] * 3
        assert MixLoss(criterion(reduction="sum"))(scores, y) == 0

    @pytest.mark.parametrize("extreme", [1e30, -1e30, 88.0, -104.0])
    def test_extreme_scores(self, extreme):
        scores, y = batch(4, dtype=torch.float32)
        with torch.no_grad():
            scores[:, 1] = extreme
        assert_equal(
            loss_and_gradient(nn.CrossEntropyLoss(), scores, y),
            loss_and_gradient(TwoCalls(), scores, y),
        )

    def test_nan_scores_give_nan(self):
        scores, y = batch(4)
        with torch.no_grad():
            scores[2, 3] = torch.nan
        assert bool(MixLoss(nn.CrossEntropyLoss())(scores, y).isnan())


@pytest.mark.parametrize("classes", [1, 5])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("rows", [0, 1])
def test_no_samples_and_one_sample(rows, reduction, classes):
    scores, y = batch(rows, classes=classes)
    expected = loss_and_gradient(TwoCalls(reduction=reduction), scores, y)
    found = loss_and_gradient(nn.CrossEntropyLoss(reduction=reduction), scores, y)
    assert_equal(found, expected)
    plain = nn.CrossEntropyLoss(reduction=reduction)(scores, y.own)
    assert found[0].shape == plain.shape
    if rows == 0:
        assert_equal([found[0]], [plain])


ROADS = [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1), TwoCalls(),
         nn.CrossEntropyLoss(torch.ones(5, dtype=torch.float64)), F.cross_entropy, F.nll_loss,
         nn.CrossEntropyLoss(reduction="none"), CrossEntropyLossFlat(axis=1)]  # fmt: skip


@pytest.mark.parametrize("criterion", ROADS)
@pytest.mark.parametrize("label", [-1, -5, 5, 99])
@pytest.mark.parametrize("side", ["own", "partner"])
def test_a_label_out_of_range_raises(criterion, side, label):
    """Also one without any share: row 0 has weight 1, row 1 has weight 0."""
    for row in range(3):
        scores, y = batch(3)
        getattr(y, side)[row] = label
        with pytest.raises((IndexError, RuntimeError), match=r"out of (bounds|range)"):
            MixLoss(criterion)(scores, y)


@pytest.mark.parametrize(("arguments", "error"), [
    ({"weight": torch.ones(4, dtype=torch.float64)}, RuntimeError),
    ({"weight": torch.ones(6, dtype=torch.float64)}, RuntimeError),
    ({"weight": torch.ones(5, dtype=torch.float32)}, RuntimeError),
    ({"label_smoothing": 1.5}, RuntimeError),
    ({"reduction": "average"}, ValueError),
    ({"reduction": "batchmean"}, ValueError),
    ({"reduction": None}, ValueError),
])  # fmt: skip
def test_settings_that_torch_rejects_are_rejected(arguments, error):
    scores, y = batch(6)
    for criterion in (
        nn.CrossEntropyLoss(**arguments),
        TwoCalls(**arguments),
        functools.partial(F.cross_entropy, **arguments),
    ):
        with pytest.raises(error):
            criterion(scores, y.own)
        with pytest.raises(error):
            MixLoss(criterion)(scores, y)


@pytest.mark.parametrize("shape", [(7, 5), (5, 5), (6, 5, 2), (6,), (6, 2, 5)])
def test_an_output_of_another_shape_raises(shape):
    _, y = batch(6)
    output = torch.zeros(shape, dtype=torch.float64)
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        F.cross_entropy(output, y.own)
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        MixLoss(F.cross_entropy)(output, y)


def test_a_mask_smaller_than_the_output_raises():
    scores, _ = batch(2, 4, 4)
    _, y = batch(2, 3, 4)
    with pytest.raises((ValueError, RuntimeError)):
        MixLoss(F.cross_entropy)(scores, y)


@pytest.mark.parametrize("weight", [None, torch.linspace(0.2, 2, 5, dtype=torch.float64)])
def test_uint8_labels(weight):
    scores, y = batch(6)
    y = ignored(y, 255)
    bits = MixedTarget(y.own.byte(), y.partner.byte(), y.weight)
    criterion = nn.CrossEntropyLoss(weight, ignore_index=255)
    assert torch.allclose(MixLoss(criterion)(scores, bits), MixLoss(criterion)(scores, y))


class Softmaxes(TorchDispatchMode):
    """Counts how often a softmax is taken."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._log_softmax.default
        return func(*args, **(kwargs or {}))


def softmaxes(criterion, scores, y):
    with Softmaxes() as mode:
        MixLoss(criterion)(scores, y)
    return mode.count


class TestOnePass:
    def test_one_softmax_for_two_labels(self):
        class Named(nn.CrossEntropyLoss):
            axis = 7  # of something else

        scores, y = batch(6)
        for criterion in (
            nn.CrossEntropyLoss(torch.ones(5, dtype=torch.float64), label_smoothing=0.1),
            CrossEntropyLossFlat(),
            F.cross_entropy,
            functools.partial(functools.partial(F.cross_entropy, ignore_index=2), reduction="sum"),
            Named(),
        ):
            assert softmaxes(criterion, scores, y) == 1

    def test_an_overridden_forward_is_called(self):
        class Doubled(nn.CrossEntropyLoss):
            def forward(self, input, target):
                return 2 * super().forward(input, target)

        scores, y = batch(6)
        assert softmaxes(Doubled(), scores, y) == 3  # two of them to prove it at the first batch
        expected = 2 * MixLoss(nn.CrossEntropyLoss())(scores, y)
        assert torch.allclose(MixLoss(Doubled())(scores, y), expected)
        patched = nn.CrossEntropyLoss()
        patched.forward = lambda input, target: F.cross_entropy(2 * input, target)
        expected = MixLoss(nn.CrossEntropyLoss())(2 * scores, y)
        assert torch.allclose(MixLoss(patched)(scores, y), expected)

    def test_dense_targets_are_two_calls(self):
        scores, y = batch(6)
        rows = MixedTarget(F.one_hot(y.own, 5).double(), F.one_hot(y.partner, 5).double(), y.weight)
        assert softmaxes(nn.CrossEntropyLoss(), scores, rows) == 2

    def test_deprecated_arguments_count(self):
        scores, y = batch(6)
        with (
            pytest.warns(UserWarning, match="size_average"),
            pytest.raises(ValueError, match="partial cannot be mixed exactly"),
        ):
            MixLoss(functools.partial(F.cross_entropy, size_average=False))(scores, y)

    def test_later_changes_of_settings_count(self):
        scores, y = batch(6)
        criterion = nn.CrossEntropyLoss()
        loss = MixLoss(criterion)
        weight = torch.linspace(0.2, 2, 5, dtype=torch.float64)
        for changed in (
            {"label_smoothing": 0.1},
            {"weight": weight},
            {"ignore_index": 2, "reduction": "sum"},
            {"weight": None},
        ):
            for name, value in changed.items():
                setattr(criterion, name, value)
            names = ("weight", "reduction", "ignore_index", "label_smoothing")
            expected = TwoCalls(**{name: getattr(criterion, name) for name in names})
            assert torch.allclose(loss(scores, y), MixLoss(expected)(scores, y))

    def test_copies_have_their_own_settings(self):
        scores, y = batch(6)
        loss = MixLoss(nn.CrossEntropyLoss(torch.ones(5, dtype=torch.float64)))
        for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
            other.criterion.reduction = "sum"
            other.criterion.weight *= 2
            assert torch.allclose(other(scores, y), loss(scores, y) * 12)


class TestTransforms:
    @pytest.mark.slow
    @pytest.mark.parametrize("criterion", [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(torch.linspace(0.2, 2, 5, dtype=torch.float64), ignore_index=2,
                            label_smoothing=0.1, reduction="sum"),
        *(pytest.param(each, marks=pytest.mark.slow) for each in (
            nn.CrossEntropyLoss(reduction="none"),
            CrossEntropyLossFlat(axis=1),
            F.cross_entropy,
            functools.partial(F.nll_loss, ignore_index=3),
        )),
    ])  # fmt: skip
    def test_it_compiles_in_one_graph(self, criterion):
        torch.compiler.reset()
        loss = MixLoss(criterion)
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        for shape in ((6,), (4, 2)):
            scores, y = batch(*shape)
            y = ignored(y, -100 if criterion is F.cross_entropy else 2)
            y = MixedTarget(y.own, y.partner, y.weight)
            found, expected = compiled(scores, y), loss(scores, y)
            assert_equal([found], [expected])
            assert_equal(
                torch.autograd.grad(found.sum(), scores),
                torch.autograd.grad(expected.sum(), scores),
            )

    def test_functorch_grad_and_vmap(self):
        loss = MixLoss(nn.CrossEntropyLoss(label_smoothing=0.1))
        scores, y = batch(6)
        expected = torch.autograd.grad(loss(scores, y), scores)[0]
        found = torch.func.grad(lambda scores: loss(scores, y))(scores.detach())
        assert torch.allclose(found, expected)
        hessian = torch.func.hessian(lambda scores: loss(scores, y))(scores.detach())
        assert torch.allclose(
            hessian, torch.autograd.functional.hessian(lambda s: loss(s, y), scores)
        )

    def test_vmap_over_weights_labels_and_scores(self):
        loss = MixLoss(nn.CrossEntropyLoss())
        scores, y = batch(6)
        shares = torch.rand(3, 6, dtype=torch.float64)
        found = torch.func.vmap(lambda w: loss(scores, MixedTarget(y.own, y.partner, w)))(shares)
        expected = [loss(scores, MixedTarget(y.own, y.partner, w)) for w in shares]
        assert torch.allclose(found, torch.stack(expected))
        several = torch.stack([scores, 2 * scores])
        found = torch.func.vmap(lambda s: loss(s, y))(several)
        assert torch.allclose(found, torch.stack([loss(s, y) for s in several]))


def test_a_loss_may_be_scaled_in_place():
    output = torch.rand(4, 3, requires_grad=True)
    target = MixedTarget(torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 0, 2]), torch.rand(4))
    loss = MixLoss(nn.CrossEntropyLoss())(output, target)
    (expected,) = torch.autograd.grad(loss / 2, output, retain_graph=True)
    loss /= 2  # as for accumulated gradients
    loss.backward()
    torch.testing.assert_close(output.grad, expected)
