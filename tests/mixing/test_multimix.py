"""MultiMix: equal to blends of embeddings by hand, with shares of a Dirichlet distribution."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn
from torch.utils.checkpoint import checkpoint

from vicinal import (
    Callback,
    Checkpoint,
    Choice,
    DataLoaders,
    Learner,
    MixCollate,
    MixLoss,
    MixUp,
    MultiMix,
    RegMixUp,
    Schedule,
    check_mixer,
)

CLASSES, COUNT = 5, 12


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(seed=0):
    return torch.randint(CLASSES, (COUNT,), generator=torch.Generator().manual_seed(seed))


class Network(nn.Module):
    """An encoder, a linear layer, and what the model makes of its output."""

    def __init__(self, end=lambda scores: scores, outputs=CLASSES):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.fc = nn.Linear(8, outputs)
        self.end = end
        self.double()

    def forward(self, x):
        return self.end(self.fc(self.encoder(x)))


def drawn(count=COUNT, draws=1, **options):
    """(n, B) the shares of the last of some draws, as they are read from targets."""
    mixer = MultiMix(nn.Linear(1, 1), **options)
    for _ in range(draws):
        _, shares = mixer(torch.zeros(count, 1), torch.eye(count, dtype=torch.float64))
        mixer.release()
    return shares


def hooks_on(net):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def grads(net):
    return {name: p.grad for name, p in net.named_parameters()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-9)


WEIGHTS = torch.tensor([1.0, 0.2, 3.0, 1.0, 0.5], dtype=torch.float64)
CRITERIA = {
    "plain": nn.CrossEntropyLoss(),
    "class weights": nn.CrossEntropyLoss(WEIGHTS),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "sum": nn.CrossEntropyLoss(reduction="sum"),
}


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_it_equals_a_classifier_of_embeddings_that_are_blended_by_hand(criterion):
    """Outputs, losses, gradients of all parameters, and batch statistics."""
    net, twin = Network(), Network()
    mixer = MultiMix(net, n=40, seed=1)
    for draw in range(2):
        x, y = numbers(COUNT, 6, seed=draw), labels(draw)
        given, target = mixer(x, y)
        output = net(given)
        loss = MixLoss(criterion)(output, target.double())
        loss.backward()
        shares = drawn(n=40, seed=1, draws=draw + 1)
        expected = twin.fc(shares @ twin.encoder(x))
        expected_target = shares @ F.one_hot(y, CLASSES).double()
        expected_loss = criterion(expected, expected_target)
        expected_loss.backward()
        assert given is x
        torch.testing.assert_close(output, expected, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(target.double(), expected_target, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(loss, expected_loss, rtol=1e-5, atol=0)
        for found, wanted in zip(net.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-4, atol=1e-5)
        assert_same(dict(net.named_buffers()), dict(twin.named_buffers()))


def test_class_weights_are_those_of_probabilities():
    """By hand: each class counts by its share and its weight, in a plain mean over the blends."""
    x, y, net = numbers(COUNT, 6), labels(), Network()
    given, target = MultiMix(net, n=30, seed=0)(x, y)
    output = net(given)
    log = output.log_softmax(1)
    expected = -(WEIGHTS * target * log).sum(1).mean()
    found = MixLoss(nn.CrossEntropyLoss(WEIGHTS))(output, target.double())
    torch.testing.assert_close(found, expected)


class TestShares:
    def test_add_up_to_one(self):
        shares = drawn(n=200, seed=0)
        assert shares.shape == (200, COUNT)
        assert (shares >= 0).all()
        torch.testing.assert_close(shares.sum(1), torch.ones(200, dtype=torch.float64))

    @pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
    def test_are_of_a_symmetric_dirichlet_distribution(self, alpha):
        """Each share is of Beta(alpha, (B - 1) alpha); by chance, 1 in 10,000 would fail."""
        shares = drawn(count=6, n=4000, alpha=alpha, seed=0)
        for share in shares.T[:2]:
            assert stats.kstest(share, stats.beta(alpha, 5 * alpha).cdf).pvalue > 1e-4
        covariance = torch.cov(shares.T)
        expected = -(1 / 36) / (6 * alpha + 1)
        assert covariance[0, 1] == pytest.approx(expected, rel=0.2)

    def test_have_concentrations_from_the_smallest_to_the_largest(self):
        """The sum of squares of a blend tells its concentration, in a batch that is large."""
        shares = drawn(count=2000, n=2000, seed=0)
        # E sum of squares = (alpha + 1) / (B alpha + 1)
        concentration = 1 / ((shares**2).sum(1) * 2000 - 1)
        assert stats.kstest(concentration, stats.uniform(0.5, 1.5).cdf).statistic < 0.06

    def test_of_tiny_concentrations_are_nearly_one_sample(self):
        shares = drawn(count=4, n=500, alpha=0.01, seed=0)
        assert shares.isfinite().all()
        assert (shares.amax(1) > 0.99).float().mean() > 0.8

    def test_of_one_sample_are_all_of_it(self):
        assert torch.equal(drawn(count=1, n=3), torch.ones(3, 1, dtype=torch.float64))

    def test_follow_seed_and_state(self):
        assert torch.equal(drawn(seed=3), drawn(seed=3))
        assert not torch.equal(drawn(seed=3), drawn(seed=4))
        mixer = MultiMix(nn.Linear(1, 1), seed=5)
        mixer.load_state_dict({"seed": 3, "draws": 2})
        _, shares = mixer(torch.zeros(COUNT, 1), torch.eye(COUNT, dtype=torch.float64))
        assert torch.equal(shares, drawn(seed=3, draws=3))

    def test_a_rejected_batch_uses_up_no_draw(self):
        mixer = MultiMix(Network(), seed=0)
        with pytest.raises(RuntimeError, match="the label 9 is none of 5 classes"):
            mixer(numbers(2, 6), torch.tensor([0, 9]))
        assert mixer.state_dict() == {"seed": 0, "draws": 0}

    def test_torchs_own_generator_is_neither_read_nor_moved(self):
        mixer = MultiMix(Network(), seed=0)
        before = torch.get_rng_state()
        mixer(numbers(COUNT, 6), labels())
        assert torch.equal(torch.get_rng_state(), before)


class TestTargets:
    @pytest.mark.parametrize("shape", [(COUNT,), (COUNT, 1), (COUNT, CLASSES)])
    def test_of_floats_are_blended_as_they_are(self, shape):
        y = numbers(*shape)
        _, target = MultiMix(Network(), n=7, seed=0)(numbers(COUNT, 6), y)
        torch.testing.assert_close(target, torch.tensordot(drawn(n=7, seed=0), y, 1))

    def test_may_be_nested(self):
        y = {"a": (labels(), "name"), "b": numbers(COUNT)}
        _, target = MultiMix(Network(), n=7, seed=0)(numbers(COUNT, 6), y)
        assert target["a"][0].shape == (7, CLASSES)
        assert target["a"][1] == "name"
        assert target["b"].shape == (7,)

    @pytest.mark.parametrize(
        ("y", "outputs", "error", "message"),
        [
            (torch.ones(COUNT, 3, dtype=torch.int64), 5, TypeError, r"are int64 \(12, 3\) for 5"),
            (torch.ones(COUNT, dtype=torch.bool), 1, TypeError, r"are bool \(12,\) for 1: give fl"),
            (numbers(4), 5, ValueError, "4 targets|12 samples"),
            (
                {"a": numbers(COUNT), "b": numbers(4)},
                5,
                ValueError,
                r"12 samples, but a target of shape \(4",
            ),
            (MixUp()(numbers(COUNT), labels())[1], 5, TypeError, "are mixed already"),
        ],
    )
    def test_that_are_wrong(self, y, outputs, error, message):
        with pytest.raises(error, match=message):
            MultiMix(Network(outputs=outputs))(numbers(COUNT, 6), y)


class TestWhoIsMixed:
    def test_only_the_forward_pass_in_training_mode_after_a_call(self):
        net, x = Network(), numbers(COUNT, 6)
        plain = copy.deepcopy(net)(x)
        mixer = MultiMix(net, n=COUNT, seed=0)
        given, _ = mixer(x, labels())
        assert net.eval()(x).shape == plain.shape
        mixed = net.train()(given)
        torch.testing.assert_close(mixed, drawn(n=COUNT, seed=0) @ plain)
        torch.testing.assert_close(net(x), plain)

    def test_a_call_that_was_not_applied_is_an_error(self):
        mixer = MultiMix(Network(), seed=0)
        mixer(numbers(COUNT, 6), labels())
        with pytest.raises(RuntimeError, match="the last mix, for layer 'fc', was not applied"):
            mixer(numbers(COUNT, 6), labels())
        mixer.release()
        mixer(numbers(COUNT, 6), labels())

    def test_nothing_is_left_on_the_model(self):
        net = Network()
        with MultiMix(net) as mixer:
            net(mixer(numbers(COUNT, 6), labels())[0])
            assert hooks_on(net) == 3
        assert hooks_on(net) == 0

    def test_another_batch_is_an_error(self):
        net = Network()
        MultiMix(net)(numbers(COUNT, 6), labels())
        with pytest.raises(ValueError, match=r"for 12 samples, but this tensor has shape \(8"):
            net(numbers(8, 6))

    def test_gradient_checkpointing_blends_again(self):
        class Checkpointed(Network):
            def forward(self, x):
                part = nn.Sequential(self.encoder[0], self.encoder[2], self.fc)
                return checkpoint(part, x, use_reentrant=False)

        net, twin = Checkpointed(), Network()
        x, y = numbers(COUNT, 6), labels()
        given, target = MultiMix(net, n=20, seed=0)(x, y)
        F.cross_entropy(net(given), target.double()).backward()
        hidden = twin.encoder[2](twin.encoder[0](x))
        F.cross_entropy(drawn(n=20, seed=0) @ twin.fc(hidden), target.double()).backward()
        torch.testing.assert_close(net.fc.weight.grad, twin.fc.weight.grad)
        torch.testing.assert_close(net.encoder[0].weight.grad, twin.encoder[0].weight.grad)


class TestWhatTheModelReturns:
    @pytest.mark.parametrize(
        ("end", "read"),
        [
            (lambda scores: {"logits": scores}, lambda output: output["logits"]),
            (lambda scores: (scores, None, 3), lambda output: output[0]),
            (lambda scores: scores.view(-1, CLASSES), lambda output: output),
            (lambda scores: scores[:, None].squeeze(1), lambda output: output),
        ],
    )
    def test_may_be_nested_or_a_view(self, end, read):
        net = Network(end)
        given, _ = MultiMix(net, n=9)(numbers(COUNT, 6), labels())
        assert read(net(given)).shape == (9, CLASSES)

    @pytest.mark.parametrize("n", [COUNT, 9])
    def test_other_values_are_an_error_unless_the_layer_is_named(self, n):
        net = Network(lambda scores: scores.log_softmax(1))
        x, y = numbers(COUNT, 6), labels()
        given, _ = MultiMix(net, n=n)(x, y)
        with pytest.raises(ValueError, match="does not return what its last linear layer, 'fc',"):
            net(given)
        given, _ = MultiMix(net, n=n, layer="fc", seed=0)(x, y)
        plain = net.fc(net.encoder(x))
        found = net(given)
        torch.testing.assert_close(found, (drawn(n=n, seed=0) @ plain).log_softmax(1))

    @pytest.mark.parametrize("end", [nn.ReLU(inplace=True), lambda scores: scores.mul_(10)])
    def test_changes_in_place_are_an_error(self, end):
        net = Network(end)
        given, _ = MultiMix(net, n=9)(numbers(COUNT, 6), labels())
        with pytest.raises(ValueError, match="does not return what its last linear layer, 'fc',"):
            net(given)

    def test_a_second_head_is_an_error(self):
        class TwoHeads(Network):
            def __init__(self):
                super().__init__()
                self.more = nn.Linear(8, 2).double()

            def forward(self, x):
                hidden = self.encoder(x)
                return self.fc(hidden), self.more(hidden)

        net = TwoHeads()
        given, _ = MultiMix(net, n=9)(numbers(COUNT, 6), labels() % 2)
        with pytest.raises(ValueError, match=r"'more' gives 9 blends .* returns\[0\] a tensor of"):
            net(given)

    @pytest.mark.parametrize("layer", [None, "fc", "net"])
    def test_the_layer_is_found_or_named(self, layer):
        net = Network()
        layer = net.fc if layer == "net" else layer
        given, target = MultiMix(net, n=9, layer=layer)(numbers(COUNT, 6), labels())
        assert net(given).shape == target.shape == (9, CLASSES)

    def test_the_model_may_be_the_layer(self):
        net = nn.Linear(6, 3).double()
        x = numbers(COUNT, 6)
        given, target = MultiMix(net, n=9, seed=0)(x, labels() % 3)
        torch.testing.assert_close(net(given), drawn(n=9, seed=0) @ net(x))
        assert target.shape == (9, 3)

    @pytest.mark.parametrize(
        ("model", "layer", "message"),
        [
            (nn.Sequential(nn.Conv2d(1, 1, 1)), None, "Sequential has no linear layer, whose inp"),
            (Network(), "encoder.1", "layer='encoder.1' is no linear layer of the model: name the"),
            (Network(), "encoder.*", "is no linear layer of the model"),
            (Network(), "head", "no layer of the model is 'head'"),
            (Network(), "input", "is no linear layer of the model"),
        ],
    )
    def test_layers_that_are_none(self, model, layer, message):
        with pytest.raises(ValueError, match=message):
            MultiMix(model, layer=layer)(numbers(COUNT, 6), labels())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_inside_of_autocast_shares_are_not_rounded(precision):
    net, x, y = Network().float(), numbers(COUNT, 6).float(), labels()
    mixer = MultiMix(net, n=50, seed=0)
    given, target = mixer(x, y)
    with torch.autocast("cpu", precision):
        output = net(given)
        loss = MixLoss(nn.CrossEntropyLoss())(output, target)
    loss.backward()
    assert output.dtype == precision
    assert all(p.grad.isfinite().all() for p in net.parameters())
    with torch.autocast("cpu", precision):
        plain = net(x)
    expected = drawn(n=50, seed=0) @ plain.double()
    assert torch.allclose(output.double(), expected.to(precision).double(), atol=1e-2)
    torch.testing.assert_close(target.sum(1), torch.ones(50))


def learner(cbs=(), model=None, **options):
    x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    y = torch.arange(60) % CLASSES
    dls = DataLoaders.from_tensors(x[:50], y[:50], x[50:], y[50:], bs=10, device="cpu", seed=1)
    return Learner(dls, model or Network().float(), cbs=cbs, **options)


class StopAt(Callback):
    def before_batch(self, learn):
        if learn.training and (learn.epoch, learn.iter) == (1, 2):
            raise KeyboardInterrupt


class TestLearner:
    def test_lends_its_network_and_trains_as_a_loop_does(self):
        learn = learner(MultiMix(n=30, seed=0), opt_func=torch.optim.SGD)
        net, dls = Network().float(), learner().dls
        mixer, optimizer = MultiMix(net, n=30, seed=0), torch.optim.SGD(net.parameters(), lr=0.1)
        learn.fit(2, 0.1)
        for _ in range(2):
            for x, y in dls.train:
                x, y = mixer(x, y)
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
        for found, expected in zip(learn.model.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(found, expected)

    def test_leaves_the_network_and_validation_as_they_are(self):
        learn = learner(MultiMix, lr=0.0)
        learn.model.encoder[1].momentum = 0.0
        plain = learn.validate()["valid_loss"]
        learn.fit(2)
        assert [row["valid_loss"] for row in learn.history] == [plain, plain]
        assert hooks_on(learn.model) == 0
        learn.lr_find(num_it=10)
        assert hooks_on(learn.model) == 0

    def test_a_resumed_training_has_the_same_weights(self, tmp_path):
        def trained(*cbs):
            learn = learner([MultiMix(n=20, seed=0), *cbs])
            learn.fit(3, 0.05)
            return learn.model.state_dict()

        whole = trained()
        with pytest.raises(KeyboardInterrupt):
            trained(Checkpoint(tmp_path / "c"), StopAt())
        resumed = trained(Checkpoint(tmp_path / "c", resume=True))
        assert all(torch.equal(value, resumed[name]) for name, value in whole.items())

    def test_an_optimizer_that_asks_again_sees_the_same_blends(self):
        losses = []

        class Watch(Callback):
            def after_loss(self, learn):
                if learn.training:
                    losses.append(learn.loss.item())

        learn = learner([MultiMix(n=20, seed=0), Watch()], opt_func=torch.optim.LBFGS, lr=1e-6)
        learn.fit(1)
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)

    def test_in_lower_precision(self):
        learn = learner(MultiMix(n=20, seed=0), precision="bf16")
        learn.fit(1)
        assert learn.history[-1]["train_loss"] > 0

    @pytest.mark.slow
    def test_compiled(self, monkeypatch):
        torch._dynamo.reset()
        compile = torch.compile
        monkeypatch.setattr(torch, "compile", lambda net: compile(net, backend="aot_eager"))
        eager, compiled = (learner(MultiMix(n=20, seed=0), compile=c) for c in (False, True))
        for learn in (eager, compiled):
            learn.fit(1)
            learn.fit(1)
        pairs = zip(compiled.model.parameters(), eager.model.parameters(), strict=True)
        for found, expected in pairs:
            torch.testing.assert_close(found, expected)


@pytest.mark.slow
def test_a_compiled_model_is_one_graph():
    torch._dynamo.reset()
    net, twin = Network(), Network()
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    for mixer, called in (
        (MultiMix(compiled, n=9, seed=0), compiled),
        (MultiMix(twin, n=9, seed=0), twin),
    ):
        for draw in range(2):
            given, target = mixer(numbers(COUNT, 6, seed=draw), labels(draw))
            F.cross_entropy(called(given), target.double()).backward()
    assert_same(grads(net), grads(twin))
    assert compiled.eval()(numbers(COUNT, 6)).shape == (COUNT, CLASSES)


def test_copies_have_no_hooks_and_no_model_of_a_learner():
    mixer = MultiMix(n=5, seed=0)
    mixer.lend(Network())
    mixer(numbers(COUNT, 6), labels())
    for copied in (copy.deepcopy(mixer), pickle.loads(pickle.dumps(mixer))):
        assert copied._hooks is None
        with pytest.raises(ValueError, match=r"MultiMix looks with a model and has none: give it"):
            copied(numbers(COUNT, 6), labels())


def test_it_is_shown_as_it_is_written():
    assert repr(MultiMix(n=5, alpha=1.0, seed=0)) == "MultiMix(n=5, alpha=(1.0, 1.0), seed=0)"


def call(**options):
    return lambda: MultiMix(Network(), **options)(numbers(COUNT, 6), labels())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (call(n=0), ValueError, "n must be 1 or more"),
        (call(alpha=0), ValueError, "alpha must be from 0.01 to 1e6, or .smallest, largest. in"),
        (call(alpha=(2.0, 0.5)), ValueError, "alpha must be from 0.01 to 1e6"),
        (call(alpha=float("inf")), ValueError, "alpha must be from 0.01 to 1e6"),
        (call(alpha="1"), TypeError, "alpha must be a number, not '1'"),
        (call(partners="pairs"), TypeError, "partners"),
        (lambda: MultiMix(5), TypeError, "gives no model"),
        (lambda: MultiMix()(numbers(4, 6), labels()), ValueError, "has none: give it the one"),
        (lambda: MultiMix().draw(numbers(4, 6)), TypeError, "call it, multimix"),
        (lambda: Choice([MultiMix()], per="batch"), ValueError, "a Choice cannot draw with MultiM"),
        (lambda: Schedule(MultiMix()), ValueError, "gives 1000 blends in place of a batch: use it"),
        (lambda: check_mixer(MultiMix()), TypeError, "MultiMix mixes inside of a model alone"),
        (
            lambda: MultiMix(Network())(numbers(4, 6), labels(), other=(1, 2)),
            ValueError,
            "give it no second batch",
        ),
        (lambda: RegMixUp(MultiMix()), ValueError, "cannot put the batch beside a MultiMix"),
    ],
)
def test_what_is_wrong_is_one_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_collate_function_in_this_process_mixes_the_next_pass():
    net = Network().float()
    data = torch.utils.data.TensorDataset(torch.randn(8, 6), torch.arange(8) % CLASSES)
    loader = torch.utils.data.DataLoader(data, 4, collate_fn=MixCollate(MultiMix(net, n=9)))
    for x, y in loader:
        assert F.cross_entropy(net(x), y).isfinite()
        assert y.shape == (9, CLASSES)
