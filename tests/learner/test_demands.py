"""Optimizers that ask more of the loop than a step, against loops that are written by hand."""

import math
import random

import numpy as np
import pytest
import pytorch_optimizer
import schedulefree
import timm.optim
import torch
from sam import SAM as CopiedSAM
from small_trainings import Note, state, weights
from torch import nn

from vicinal import (
    EMA,
    AccumulateGradients,
    Callback,
    CancelBatch,
    CancelStep,
    Checkpoint,
    ClipGradients,
    DataLoaders,
    Learner,
    ManifoldMixUp,
    MixLoss,
    MixUp,
    SaveBest,
    VicinalError,
)
from vicinal.learner.demands import averages, check_demands, needs_graph, takes_closure

SAM = pytorch_optimizer.SAM


def data():
    """Two classes in the plane, in the same batches every time."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(100, 2, generator=g)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return DataLoaders.from_tensors(x[:80], y[:80], x[80:], y[80:], bs=20, device="cpu", seed=1)


def network():
    torch.manual_seed(0)
    middle = [nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4)]
    return nn.Sequential(nn.Linear(2, 8), *middle, nn.Linear(8, 2))


def by_sam(groups, lr):
    return SAM(groups, torch.optim.SGD, rho=0.1, lr=lr, momentum=0.9)


def by_copied_sam(groups, lr):
    return CopiedSAM(groups, torch.optim.SGD, rho=0.1, lr=lr, momentum=0.9)


def by_lbfgs(groups, lr):
    return torch.optim.LBFGS(groups, lr=lr, max_iter=4, line_search_fn="strong_wolfe")


def by_hand(opt_func, make_mixer, epochs=2, lr=0.1):
    """A loop whose closure computes one function of the weights: same mix, same dropout."""
    dls, model, loss_func = data(), network(), MixLoss(nn.CrossEntropyLoss())
    # In the order of the Learner's groups, as LBFGS sums over them.
    optimizer = opt_func(sorted(model.parameters(), key=lambda p: p.ndim <= 1), lr=lr)
    mixer = make_mixer(model)
    model.train()
    losses = []
    torch.manual_seed(7)
    for x, y in (batch for _ in range(epochs) for batch in dls.train):
        mixer_before = mixer.state_dict()
        drawn = torch.get_rng_state()

        def evaluate(x=x, y=y, before=mixer_before, drawn=drawn):
            optimizer.zero_grad()
            torch.set_rng_state(drawn)
            mixer.load_state_dict(before)  # the same draw again
            mixed, target = mixer(x, y)
            loss = loss_func(model(mixed), target)
            loss.backward()
            return loss

        losses.append(evaluate().item())
        statistics = [(buffer, buffer.clone()) for buffer in model.buffers()]
        after = torch.get_rng_state()
        optimizer.step(evaluate)
        torch.set_rng_state(after)
        for buffer, values in statistics:
            buffer.copy_(values)
    return state(model), losses


def by_learner(opt_func, make_mixer, cbs=(), epochs=2, lr=0.1):
    model, note = network(), Note()
    learn = Learner(data(), model, nn.CrossEntropyLoss(), opt_func=opt_func)
    mixer = make_mixer(model)
    torch.manual_seed(7)
    learn.fit(epochs, lr, cbs=[mixer, note, *cbs])
    return state(model), note.losses


MIXERS = {
    "input": lambda model: MixUp(0.4, seed=5),
    "hidden": lambda model: ManifoldMixUp(model, ["0", "2"], seed=5),
}


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("opt_func", [by_sam, by_copied_sam, by_lbfgs])
def test_a_closure_computes_the_same_mixed_batch_again(opt_func, mixer):
    """The same draw of the mix and of dropout, also in hidden layers; statistics count it once."""
    expected, expected_losses = by_hand(opt_func, MIXERS[mixer])
    found, losses = by_learner(opt_func, MIXERS[mixer])
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=1e-5), name


class ScaleLoss(Callback):
    def after_loss(self, learn):
        if learn.training:
            learn.loss = learn.loss * 3


def test_callbacks_take_part_in_every_evaluation():
    """A callback that changes the loss, and one that changes the inputs before the network."""

    class Change(ScaleLoss):
        def before_pred(self, learn):
            if learn.training:
                learn.x = learn.x * 2

    class Twice(MixUp):
        def __call__(self, x, y, **options):
            x, y = super().__call__(x, y)
            return x * 2, y

    expected, losses = by_learner(by_sam, lambda _: Twice(0.4, seed=5), [ScaleLoss()])
    found, found_losses = by_learner(by_sam, MIXERS["input"], [Change()])
    assert found_losses == pytest.approx(losses)
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=1e-6), name


def test_a_network_that_draws_from_other_generators_is_one_function_in_a_step():
    class Drops(nn.Module):
        def __init__(self):
            super().__init__()
            self.drawn = []

        def forward(self, x):
            if self.training:
                self.drawn.append((random.random(), np.random.random()))  # noqa: NPY002
            return x

    model, drops = network(), Drops()
    model.append(drops)
    Learner(data(), model, nn.CrossEntropyLoss(), opt_func=by_sam).fit(1, 0.1)
    steps = len(set(drops.drawn))
    assert 1 < steps < len(drops.drawn)  # each draw several times, and another at each step


def test_every_gradient_of_a_step_is_clipped():
    class Look(Callback):
        order = 71

        def before_fit(self, learn):
            self.norms = []

        def after_backward(self, learn):
            grads = [p.grad for p in learn.model.parameters()]
            self.norms.append(torch.stack([grad.norm() for grad in grads]).norm().item())

    look = Look()
    by_learner(by_sam, MIXERS["input"], [ClipGradients(1e-3), look], epochs=1)
    assert len(look.norms) == 8  # two for each of four batches
    assert look.norms == pytest.approx([1e-3] * 8, rel=1e-3)


def test_cancelling_in_the_middle_of_a_step_is_refused():
    class Second(Callback):
        count = 0

        def after_loss(self, learn):
            self.count += 1
            if self.count == 2:
                raise CancelBatch

    sentence = "CancelBatch came in the middle of a step of SAM, .*: raise it in before_batch"
    with pytest.raises(VicinalError, match=sentence):
        by_learner(by_sam, MIXERS["input"], [Second()])


def test_gradients_that_a_callback_accumulates_are_refused():
    """Those of the batches before would be lost."""

    class EverySecond(Callback):
        def __init__(self, clears):
            self.clears, self.count = clears, 0

        def before_step(self, learn):
            self.count += 1
            if self.count % 2:
                if self.clears:
                    learn.optimizer.zero_grad()
                raise CancelStep

    with pytest.raises(VicinalError, match="gradients of an earlier batch are left"):
        by_learner(by_sam, MIXERS["input"], [EverySecond(clears=False)])
    by_learner(by_sam, MIXERS["input"], [EverySecond(clears=True)])


def test_buffers_that_are_replaced_count_a_batch_once():
    class Counts(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)
            self.register_buffer("seen", torch.tensor(0))

        def forward(self, x):
            if self.training:
                self.seen = self.seen + 1
            return super().forward(x)

    learn = Learner(data(), Counts(), opt_func=by_lbfgs)
    learn.fit(2, 0.1)
    assert learn.model.seen == 8


def free(groups, lr):
    return schedulefree.AdamWScheduleFree(groups, lr=lr, warmup_steps=3)


def free_by_hand(epochs=2, lr=0.1):
    """The weights to use after each epoch, and the validation losses with them."""
    dls, model = data(), network()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = free([{"params": decayed}, {"params": plain, "weight_decay": 0.0}], lr)
    states, losses = [], []
    torch.manual_seed(7)
    for _ in range(epochs):
        model.train()
        optimizer.train()
        for x, y in dls.train:
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        optimizer.eval()
        ((x, y),) = dls.valid
        losses.append(nn.functional.cross_entropy(model(x), y).item())
        states.append(state(model))
    return states, losses


def test_schedule_free_weights_are_validated_saved_and_kept(tmp_path):
    states, losses = free_by_hand()
    learn = Learner(data(), network(), nn.CrossEntropyLoss(), opt_func=free, path=tmp_path)
    torch.manual_seed(7)
    learn.fit(2, 0.1, cbs=[SaveBest("best")])
    assert [row["valid_loss"] for row in learn.history] == pytest.approx(losses, abs=1e-6)
    best = states[losses.index(min(losses))]
    other = Learner(data(), network(), path=tmp_path).load("best").model
    for model in (learn.model, other):
        for name, tensor in state(model).items():
            assert torch.allclose(tensor, best[name], atol=1e-6), name


def test_a_callback_that_validates_or_saves_in_the_middle_gets_the_weights_to_use(tmp_path):
    class Middle(Callback):
        def after_batch(self, learn):
            if learn.training:
                self.found = learn.validate()["valid_loss"]
                learn.save("middle")

        def before_step(self, learn):
            self.mode = learn.optimizer.param_groups[0]["train_mode"]

    middle = Middle()
    learn = Learner(data(), network(), opt_func=free, path=tmp_path)
    learn.fit(1, 0.1, cbs=middle)
    assert middle.mode
    assert middle.found == pytest.approx(learn.history[-1]["valid_loss"], abs=1e-5)
    saved = Learner(data(), network(), path=tmp_path).load("middle").model
    assert torch.allclose(weights(saved), weights(learn.model), atol=1e-5)


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_however_it_ends_the_model_holds_the_weights_to_use(error, accumulated):
    class End(Callback):
        order = 99

        def after_step(self, learn):
            averaging = learn.optimizer
            self.expected = [
                p.lerp(averaging.state[p]["z"], 1 - 1 / 0.9).clone()
                for group in averaging.param_groups
                for p in group["params"]
            ]
            if error and learn.epoch == 1:
                raise error

    end = End()
    learn = Learner(data(), network(), opt_func=free)
    try:
        learn.fit(2, 0.1, cbs=[end, AccumulateGradients(accumulated)])
    except KeyboardInterrupt:
        assert error is KeyboardInterrupt
    ordered = [p for d in (True, False) for p in learn.model.parameters() if (p.ndim > 1) == d]
    for found, expected in zip(ordered, end.expected, strict=True):
        assert torch.allclose(found, expected, atol=1e-5)


def test_lr_find_leaves_the_weights_of_a_schedule_free_optimizer():
    learn = Learner(data(), network(), opt_func=free)
    before = weights(learn.model)
    learn.lr_find(num_it=20)
    assert torch.equal(weights(learn.model), before)


class Projector:
    """A state that is neither a tensor nor a plain value."""


class WithAnObject(torch.optim.SGD):
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["projector"] = Projector()


@pytest.mark.parametrize(("opt_func", "cbs", "sentence"), [
    (by_sam, [AccumulateGradients(2)], "SAM .* the gradients of 2 batches cannot be accumulated"),
    (free, [EMA()], "AdamWScheduleFree averages the weights itself, .*: leave out EMA"),
    (torch.optim.Muon, [], "torch.optim.Muon takes weights of two dimensions alone, .*muon_adamw")
    if hasattr(torch.optim, "Muon") else (free, [EMA(0.5)], "leave out EMA"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused_before_the_training(opt_func, cbs, sentence):
    learn = Learner(data(), network(), opt_func=opt_func, cbs=cbs)
    before = state(learn.model)
    with pytest.raises(VicinalError, match=sentence):
        learn.fit(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(learn.model).items())


def test_an_optimizer_whose_state_cannot_be_saved_is_refused_at_its_first_step(tmp_path):
    note = Note()
    learn = Learner(
        data(), network(), opt_func=WithAnObject, cbs=[note, Checkpoint(tmp_path / "c")]
    )
    sentence = r"Checkpoint cannot save the optimizer WithAnObject, .* type Projector .*'projector'"
    with pytest.raises(VicinalError, match=sentence):
        learn.fit(3)
    assert len(note.weights) == 1
    Learner(data(), network(), opt_func=WithAnObject).fit(1)  # without a checkpoint


def test_a_callback_whose_state_cannot_be_saved_is_refused_before_the_first_step(tmp_path):
    class Keeper(Callback):
        def state_dict(self):
            return {"best": Projector()}

        def load_state_dict(self, state): ...

    note = Note()
    learn = Learner(data(), network(), cbs=[note, Keeper()])
    with pytest.raises(VicinalError, match=r"the callback Keeper, .* Projector .*\['best'\]"):
        learn.fit(1, cbs=Checkpoint(tmp_path / "c"))
    assert not note.weights


def test_one_rate_for_an_optimizer_without_groups():
    learn = Learner(
        data(), network(), opt_func=by_lbfgs, splitter=lambda m: [list(p.parameters()) for p in m]
    )
    with pytest.raises(
        VicinalError, match=r"one learning rate .* from 0.001 to 0.1: give a number"
    ):
        learn.fit(1, slice(1e-3, 1e-1))
    learn.fit_one_cycle(2, 0.5)
    assert math.isfinite(learn.history[-1]["train_loss"])


def test_lbfgs_wants_contiguous_weights():
    model = nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten())
    x, y = torch.rand(8, 3, 2, 2), torch.arange(8) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, transforms=[], device="cpu")
    learn = Learner(dls, model.to(memory_format=torch.channels_last), opt_func=by_lbfgs)
    with pytest.raises(VicinalError, match="no weights in the memory format channels_last: call"):
        learn.fit(1, 0.1)
    model.to(memory_format=torch.contiguous_format)
    learn.fit(1, 0.1)


def test_scaled_gradients_are_refused_where_a_closure_or_a_graph_is_needed():
    for opt_func, why in (
        (by_sam, "computes the loss again"),
        (timm.optim.Adahessian, "different"),
    ):
        learn = Learner(data(), network(), opt_func=opt_func)
        with learn.session(0.1, []):
            learn.precision = "fp16"
            with pytest.raises(VicinalError, match=f"{why}.*: use bf16 or fp32"):
                check_demands(learn)


@pytest.mark.parametrize("package", [timm.optim.Adahessian, pytorch_optimizer.AdaHessian])
def test_second_order_has_its_graph(package):
    learn = Learner(data(), network(), opt_func=package)
    learn.fit(2, 0.1)
    assert learn.history[-1]["train_loss"] < learn.history[0]["train_loss"]
    assert all(p.grad is None for p in learn.model.parameters())


def test_who_asks_for_what():
    def made(opt_func, **options):
        return opt_func([nn.Parameter(torch.ones(2, 2))], lr=0.1, **options)

    closures = [SAM, pytorch_optimizer.LookSAM]
    assert all(takes_closure(made(each, base_optimizer=torch.optim.SGD)) for each in closures)
    assert takes_closure(made(schedulefree.SGDScheduleFreeClosure))
    assert takes_closure(made(pytorch_optimizer.load_optimizer("emonavi")))
    inside = pytorch_optimizer.Lookahead(made(SAM, base_optimizer=torch.optim.SGD))
    assert takes_closure(inside)
    plain = [torch.optim.SGD, torch.optim.AdamW, timm.optim.Lamb, pytorch_optimizer.SOAP]
    for each in plain:
        optimizer = made(each)
        assert not any(asks(optimizer) for asks in (takes_closure, needs_graph, averages))
    assert averages(made(schedulefree.AdamWScheduleFree))
    assert averages(made(pytorch_optimizer.load_optimizer("schedulefreesgd")))


def every_optimizer():
    """Those of torch, timm and pytorch_optimizer that run on a CPU, by name."""
    for name in torch.optim.__all__:
        kind = getattr(torch.optim, name)
        if isinstance(kind, type) and name not in ("Optimizer", "SparseAdam", "Muon"):
            yield f"torch {name}", kind
    for name in timm.optim.list_optimizers():
        if not name.startswith(("bnb", "fused")):  # these need CUDA
            yield (
                f"timm {name}",
                lambda groups, lr, name=name: timm.optim.create_optimizer_v2(
                    groups, opt=name, lr=lr
                ),
            )
    # They need arguments of their own, the network, low-rank layers, groups by dimension, or more.
    special = """adago adalomo adammini adamuon alig bsam demo distributedmuon lomo lorarite muon
        muonclip normuon ranger21 spectralsphere"""
    for name in pytorch_optimizer.get_supported_optimizers():
        if name not in special.split():
            yield f"pytorch_optimizer {name}", pytorch_optimizer.load_optimizer(name)


UNSAVEABLE = {"pytorch_optimizer conda", "pytorch_optimizer scalableshampoo"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "opt_func"), list(every_optimizer()))
def test_every_optimizer_trains_and_resumes_bit_by_bit(tmp_path, name, opt_func):
    def train(file, until=math.inf, **options):
        class Stop(Callback):
            def before_epoch(self, learn):
                if learn.epoch == until:
                    raise KeyboardInterrupt

        learn = Learner(data(), network(), opt_func=opt_func)
        torch.manual_seed(7)
        with learn.no_logging():
            learn.fit_one_cycle(3, 1e-2, cbs=[MixUp(seed=5), Stop(), Checkpoint(file, **options)])
        return state(learn.model)

    if name in UNSAVEABLE:
        with pytest.raises(VicinalError, match="Checkpoint cannot save the optimizer"):
            train(tmp_path / "a")
        return
    whole = train(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", until=2)
    torch.rand(5)
    resumed = train(tmp_path / "b", resume=True)
    assert all(torch.equal(tensor, resumed[n]) for n, tensor in whole.items())
    # DAdaptSGD still looks for its rate, and SaRA trains weights near 0 alone.
    if name.split()[1] not in ("dadaptsgd", "sara"):
        assert not torch.equal(whole["0.weight"], state(network())["0.weight"])
