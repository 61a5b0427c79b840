"""AlignMix: features and plans as the authors' code computes them, once its plan has converged."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import AlignMix, DataLoaders, Learner, ManifoldMixUp, MixLoss
from vicinal.mixing.methods import alignmix
from vicinal.mixing.methods.alignmix import Aligned, aligned, transport

PARTNER = [1, 2, 3, 0]


def wave(*shape):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) * 1.7).sin().view(shape).float()


def pattern(count, lam=0.7, to_partner=0.0, size=(3, 3)):
    return Aligned(torch.full((count,), lam), torch.full((count,), to_partner), size)


# What the authors' code gives, by direction, where its iterations do not end at a mean change of
# 0.1: the first channel of the first sample, of features of which the plan converges.
AUTHORS = {
    0.0: [
        *(-0.041872, 0.265319, -0.082545, -0.27664, 0.12047),
        *(0.193629, -0.211459, -0.197323, 0.255888),
    ],
    1.0: [
        *(-0.148711, -0.123815, 0.219403, 0.208109, -0.227523),
        *(-0.004067, 0.276213, 0.052556, -0.226698),
    ],
}


@pytest.mark.parametrize("to_partner", AUTHORS)
def test_features_are_the_authors(to_partner):
    x = wave(4, 6, 3, 3) * 0.3
    mixed = pattern(4, to_partner=to_partner).apply(x, x[PARTNER])
    assert torch.allclose(mixed[0, 0].flatten(), torch.tensor(AUTHORS[to_partner]), atol=1e-5)


class TestPlan:
    def test_finds_the_positions_that_were_permuted(self):
        order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
        still = torch.eye(16)[None] * 3
        found = aligned(still[:, :, order].view(1, 16, 4, 4), still.view(1, 16, 4, 4))
        torch.testing.assert_close(found.flatten(2), still)

    def test_is_of_convex_combinations(self):
        plan = transport(wave(3, 5, 9), wave(3, 5, 7))
        assert plan.shape == (3, 9, 7)
        assert (plan >= 0).all()
        torch.testing.assert_close(plan.sum(2), torch.ones(3, 9))
        features = torch.full((1, 4, 2, 2), 2.5)
        torch.testing.assert_close(aligned(features, wave(1, 4, 2, 2)), features)

    def test_takes_each_position_as_often_so_that_the_mean_stays(self):
        x = wave(4, 6, 3, 3) * 0.3
        plan = transport(x.flatten(2), x[PARTNER].flatten(2))
        torch.testing.assert_close(plan.sum(1), torch.ones(4, 9), rtol=1e-4, atol=1e-4)
        for to_partner in (0.0, 1.0):
            mixed = pattern(4, to_partner=to_partner).apply(x, x[PARTNER]).mean((2, 3))
            plain = (0.7 * x + 0.3 * x[PARTNER]).mean((2, 3))
            torch.testing.assert_close(mixed, plain, rtol=0, atol=1e-5)

    def test_does_not_depend_on_the_rest_of_the_batch(self):
        x = wave(4, 6, 3, 3)
        both = pattern(4).apply(x, x[PARTNER])
        alone = pattern(1).apply(x[:1], x[1:2])
        torch.testing.assert_close(both[:1], alone)

    @pytest.mark.parametrize("scale", [0.0, 0.03, 0.3, 1.0, 3.0])
    @pytest.mark.parametrize("positions", [(1, 1), (7, 7), (9, 64), (300, 4), (300, 300)])
    def test_is_that_of_iterations_on_logarithms(self, scale, positions, monkeypatch):
        """Also in parts, of which a processor's cache holds one."""
        monkeypatch.setattr(alignmix, "CACHED", 2 * positions[0] * positions[1])
        g = torch.Generator().manual_seed(0)
        still, moving = (torch.randn(5, 16, r, generator=g).relu() * scale for r in positions)
        cost = torch.cdist(*(x.double().transpose(1, 2) for x in (still, moving))).square() / 0.1
        column = torch.zeros_like(cost[:, :1])
        for _ in range(100):
            row = torch.logsumexp(column - cost, 2, keepdim=True)
            column = -torch.logsumexp(-cost - row, 1, keepdim=True)
        expected = torch.softmax(column - cost, 2).float()
        torch.testing.assert_close(transport(still, moving), expected, rtol=0, atol=5e-4)

    def test_of_huge_features_is_finite(self):
        x = wave(4, 6, 3, 3) * 1e4
        assert pattern(4).apply(x, x[PARTNER]).isfinite().all()


class TestPattern:
    def test_keeps_what_is_not_mixed(self):
        x = wave(4, 6, 3, 3)
        for to_partner in (0.0, 1.0):
            assert torch.equal(pattern(4, 1.0, to_partner).apply(x, x[PARTNER]), x)
        mixed, target = AlignMix(p=0.5, seed=1)(wave(40, 2, 3, 3), torch.arange(40))
        kept = target.weight == 1
        assert 5 < kept.sum() < 35
        assert torch.equal(mixed[kept], wave(40, 2, 3, 3)[kept])

    def test_transport_is_solved_for_what_is_mixed(self, monkeypatch):
        solved = []

        def counted(moving, still):
            solved.append(len(moving))
            return aligned(moving, still)

        monkeypatch.setattr(alignmix, "aligned", counted)
        x = wave(6, 4, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
        lam, turned = torch.tensor([1, 0.3, 1, 0.6, 0, 1]), torch.tensor([0.0, 0, 1, 1, 0, 1])
        found = Aligned(lam, turned, (3, 3)).apply(x, x.flip(0))
        assert found.is_contiguous(memory_format=torch.channels_last)
        for row in range(6):
            one = Aligned(lam[row : row + 1], turned[row : row + 1], (3, 3))
            alone = one.apply(x[row : row + 1], x.flip(0)[row : row + 1])
            torch.testing.assert_close(found[row : row + 1], alone)
        assert solved == [3, 0, 1, 0, 1, 1, 0]
        found.sum().backward()
        assert x.grad.isfinite().all()

    def test_directions_are_as_likely(self):
        drawn = AlignMix().pattern(4000, (3, 3), torch.Generator().manual_seed(0))
        assert abs(drawn.to_partner.mean() - 0.5) < 0.04  # by chance, 1 in a million
        assert torch.corrcoef(drawn.values.T)[0, 1].abs() < 0.08

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.uint8])
    def test_dtypes(self, dtype):
        x = ((wave(4, 6, 3, 3) + 1) * 0.3 * (100 if dtype == torch.uint8 else 1)).to(dtype)
        mixed = pattern(4).apply(x, x[PARTNER])
        assert mixed.dtype == dtype
        expected = pattern(4).apply(x.double(), x[PARTNER].double())
        atol = {torch.uint8: 0.6 + 0.5, torch.bfloat16: 1e-2, torch.float16: 2e-3}.get(dtype, 1e-6)
        assert torch.allclose(mixed.double(), expected, atol=atol)

    def test_rows_one_by_one_are_the_same(self):
        x = wave(4, 300, 16, 8)
        with torch.no_grad():
            drawn = AlignMix(seed=0).draw(x)
            (one,) = drawn.patterns
            expected = one.apply(x, x[drawn.partner])
            assert x[0].numel() * 4 >= 128 * 1024
            torch.testing.assert_close(drawn(x), expected)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 6, 3, 2)
        self.layer = nn.Conv2d(6, 5, 3)
        self.fc = nn.Linear(5, 4)

    def forward(self, x):
        return self.fc(self.layer(self.stem(x).relu()).relu().mean((2, 3)))


def batch():
    return wave(8, 3, 11, 11), torch.arange(8) % 4


def test_inside_of_a_model_it_is_what_is_written_by_hand():
    """Outputs, losses, and gradients, none of which flows through the plan."""
    net, twin = CNN(), CNN()
    x, y = batch()
    given, target = ManifoldMixUp(net, "stem", mixer=AlignMix(), seed=0)(x, y)
    output = net(given)
    loss = MixLoss(nn.CrossEntropyLoss())(output, target)
    loss.backward()
    mix = AlignMix(seed=0).draw(x)
    (drawn,) = mix.patterns
    features = twin.stem(x)
    mixed = []
    for row, (own, other) in enumerate(zip(features, features[mix.partner], strict=True)):
        turned, lam = bool(drawn.to_partner[row]), drawn.lam[row]
        still, moving = (other, own) if turned else (own, other)
        with torch.no_grad():
            plan = transport(still.flatten(1)[None], moving.flatten(1)[None])[0]
        moved = (moving.flatten(1) @ plan.T).view_as(moving)
        mixed.append(lam * (moved if turned else own) + (1 - lam) * (other if turned else moved))
    by_hand = twin.fc(twin.layer(torch.stack(mixed).relu()).relu().mean((2, 3)))
    own, other = (F.cross_entropy(by_hand, t, reduction="none") for t in (y, y[mix.partner]))
    expected = (drawn.lam * own + (1 - drawn.lam) * other).mean()
    expected.backward()
    torch.testing.assert_close(output, by_hand)
    torch.testing.assert_close(loss, expected)
    assert torch.equal(target.weight, drawn.lam)
    for found, wanted in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad)


def test_channels_may_be_last():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 6, 3)
            self.wide = nn.Linear(6, 7)

        def forward(self, x):
            return self.wide(self.stem(x).movedim(1, -1)).flatten(1)

    net, (x, y) = Last(), batch()
    given, _ = ManifoldMixUp(net, "wide", mixer=AlignMix(), seed=0)(x, y)
    found = net(given)
    features = net(x).view(8, 9, 9, 7).movedim(-1, 1)
    mix = AlignMix(seed=0).draw(x)
    torch.testing.assert_close(found, mix(features).movedim(1, -1).flatten(1))


def test_a_learner_trains_in_lower_precision():
    x, y = batch()
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    net = CNN()
    inside = ManifoldMixUp(net, "stem", mixer=AlignMix(), seed=0)
    learn = Learner(dls, net, cbs=inside, precision="bf16")
    learn.fit(1)
    assert learn.history[-1]["train_loss"] > 0


@pytest.mark.slow
def test_a_compiled_model_is_one_graph():
    torch._dynamo.reset()
    net, twin, (x, y) = CNN(), CNN(), batch()
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    grads = []
    for model, called in ((net, compiled), (twin, twin)):
        given, target = ManifoldMixUp(model, "stem", mixer=AlignMix(), seed=0)(x, y)
        MixLoss(nn.CrossEntropyLoss())(called(given), target).backward()
        grads.append([p.grad for p in model.parameters()])
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AlignMix()(wave(4, 1, 33, 32), torch.arange(4)), r"up to 1,024 positions, not"),
        (lambda: AlignMix()(wave(4, 9), torch.arange(4)), "no images|no height"),
        (lambda: AlignMix()(wave(4, 6, 3, 3), torch.zeros(4, 3, 3)), "not tensors of shape"),
        (lambda: AlignMix(alpha=-1), "alpha must be 0 or more, not -1"),
        (lambda: of_tokens(), "has no height and width"),
    ],
)
def test_what_is_wrong_is_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def of_tokens():
    net = nn.Sequential(nn.Flatten(2), nn.Linear(9, 5))
    given, _ = ManifoldMixUp(net, "1", mixer=AlignMix())(wave(4, 6, 3, 3), torch.arange(4))
    return net(given)
