"""Trainings that are stopped anywhere and resumed end as if nothing had happened."""

import random

import numpy as np
import pytest
import pytorch_optimizer
import schedulefree
import timm.optim
import torch
from sam import SAM
from torch import nn

from vicinal import (
    Callback,
    CancelFit,
    Checkpoint,
    Choice,
    CutMix,
    DataLoaders,
    FMix,
    Learner,
    MixUp,
    SaveBest,
    Schedule,
    VicinalError,
    accuracy,
    muon_adamw,
)
from vicinal.learner.optimizer_state import optimizer_state, restore_optimizer

EPOCHS, BATCHES = 3, 5
NEEDS_MUON = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch < 2.9")


class Stopped(Exception):
    """Stands for a power failure."""


class StopAt(Callback):
    """Stop before the batch of this number, in training or validation."""

    def __init__(self, batch):
        self.left = batch

    def before_batch(self, learn):
        self.left -= 1
        if self.left < 0:
            raise Stopped


def mixers():
    return {
        "none": [],
        "MixUp": MixUp(seed=1),
        "Choice": Choice([MixUp(), CutMix()], [0.4, 0.4], seed=1),
        "FMix": FMix(seed=1),
        "until": Schedule(MixUp(), until=0.6, seed=1),
        "ramp": Schedule(MixUp(), alpha=(0.1, 2.0), seed=1),
    }


def learner(mix="MixUp", opt_func=None, **options):
    """Everything that has a state: dropout, batch norm, a mixer, an optimizer with moments."""
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    x, y = torch.rand(5 * BATCHES + 1, 3, 6, 6), torch.arange(5 * BATCHES + 1) % 3
    dls = DataLoaders.from_tensors(x, y, x[:9], y[:9], bs=5, device="cpu", seed=2)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3))
    model = nn.Sequential(body, nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    options |= {} if opt_func is None else {"opt_func": opt_func}
    return Learner(
        dls,
        model,
        metrics=accuracy,
        cbs=mixers()[mix],
        splitter=lambda m: [list(part.parameters()) for part in m],
        **options,
    )


METHODS = {
    "fit": lambda learn, cbs: learn.fit(EPOCHS, 1e-2, cbs=cbs),
    "fit_one_cycle": lambda learn, cbs: learn.fit_one_cycle(EPOCHS, 1e-2, cbs=cbs),
    "fine_tune": lambda learn, cbs: learn.add_cbs(cbs).fine_tune(EPOCHS, 1e-2),
}


def result(learn):
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in learn.history]
    return rows, {name: t.clone() for name, t in learn.model.state_dict().items()}


def assert_same(learn, other):
    (rows, weights), (other_rows, other_weights) = result(learn), result(other)
    assert rows == other_rows
    assert all(torch.equal(weights[name], other_weights[name]) for name in other_weights)


def stopped_and_resumed(file, batch, train, **options):
    with pytest.raises(Stopped):
        train(learner(**options), [StopAt(batch), Checkpoint(file)])
    torch.rand(7)  # whatever else may have used the global generators
    np.random.seed(random.randrange(2**32))  # noqa: NPY002
    resumed = learner(**options)
    train(resumed, [Checkpoint(file, resume=True)])
    return resumed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [0, 3, 6, 7, 12, 14, 17])
def test_it_ends_as_if_it_had_not_been_stopped(tmp_path, method, batch):
    whole = learner()
    METHODS[method](whole, [Checkpoint(tmp_path / "whole")])
    resumed = stopped_and_resumed(tmp_path / "checkpoint", batch, METHODS[method])
    assert_same(resumed, whole)


@pytest.mark.parametrize("epoch", [0, 1])
def test_the_best_weights_are_those_of_the_resumed_training(tmp_path, epoch):
    """Even if a later training has replaced the file, and was killed before its checkpoint."""

    class StopBeforeTheCheckpoint(Callback):
        order = 90

        def after_epoch(self, learn):
            if len(learn.ended) == 1 and learn.epoch == epoch:
                raise Stopped

    def train(path, *more):
        learn = learner(path=path)
        try:
            METHODS["fine_tune"](learn, [SaveBest(), *more])
        except Stopped:
            return train(path, Checkpoint(path / "checkpoint", resume=True))
        return learn

    whole = train(tmp_path / "whole")
    part = tmp_path / "part"
    part.mkdir()
    assert_same(train(part, Checkpoint(part / "checkpoint"), StopBeforeTheCheckpoint()), whole)


def test_the_gradient_scaler_resumes(tmp_path):
    """With a scaler as under fp16, which the CPU can run too: its scale doubles every two steps."""

    class Scale(Callback):
        def before_fit(self, learn):
            learn.scaler = torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=2)

        def after_step(self, learn):
            self.state = learn.scaler.state_dict()

    def train(*cbs):
        scale = Scale()
        learn = learner()
        METHODS["fit"](learn, [scale, *cbs])
        return learn, scale.state

    whole, expected = train()
    assert expected["scale"] == 2.0 ** (1 + EPOCHS * BATCHES // 2)
    assert expected["_growth_tracker"] == EPOCHS * BATCHES % 2 == 1
    with pytest.raises(Stopped):
        train(StopAt(17), Checkpoint(tmp_path / "c"))
    resumed, found = train(Checkpoint(tmp_path / "c", resume=True))
    assert found == expected
    assert_same(resumed, whole)


@pytest.mark.parametrize("mix", mixers())
def test_every_mixer_resumes(tmp_path, mix):
    for method in ("fit_one_cycle", "fine_tune"):
        whole = learner(mix)
        METHODS[method](whole, [])
        file = tmp_path / method
        assert_same(stopped_and_resumed(file, 16, METHODS[method], mix=mix), whole)


@pytest.mark.parametrize(
    "opt_func",
    [
        lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
        torch.optim.Adam,
        torch.optim.RMSprop,
        torch.optim.Adagrad,
        lambda p, lr: torch.optim.AdamW(p, lr, amsgrad=True),
        lambda p, lr: torch.optim.LBFGS(p, lr, max_iter=3),
        lambda p, lr: SAM(p, torch.optim.SGD, lr=lr, momentum=0.9),  # its base has moments
        lambda p, lr: pytorch_optimizer.SAM(p, torch.optim.AdamW, lr=lr),
        lambda p, lr: pytorch_optimizer.Lookahead(torch.optim.Adam(p, lr)),  # keys of tuples
        pytorch_optimizer.SOAP,  # transposed tensors
        pytorch_optimizer.load_optimizer("magma"),  # keys of tuples
        pytorch_optimizer.load_optimizer("adashift"),  # a deque
        pytorch_optimizer.load_optimizer("kron"),  # a dtype
        timm.optim.Adahessian,  # a generator of its own
        timm.optim.MADGRAD,
        schedulefree.AdamWScheduleFree,
        schedulefree.SGDScheduleFreeClosure,
        pytest.param(muon_adamw, marks=NEEDS_MUON),
    ],
)
def test_every_optimizer_resumes(tmp_path, opt_func):
    """Bit by bit; test_demands.py has all optimizers of torch, timm and pytorch_optimizer."""
    whole = learner(opt_func=opt_func)
    METHODS["fit_one_cycle"](whole, [])
    resumed = stopped_and_resumed(
        tmp_path / "checkpoint", 16, METHODS["fit_one_cycle"], opt_func=opt_func
    )
    assert_same(resumed, whole)


def test_stopped_again_and_again(tmp_path):
    whole = learner()
    METHODS["fine_tune"](whole, [])
    for batch in (3, 9, 2, 8, 8):
        with pytest.raises(Stopped):
            METHODS["fine_tune"](
                learner(), [StopAt(batch), Checkpoint(tmp_path / "c", resume=True)]
            )
    resumed = learner()
    METHODS["fine_tune"](resumed, [Checkpoint(tmp_path / "c", resume=True)])
    assert_same(resumed, whole)


def test_a_completed_training_is_not_repeated(tmp_path):
    METHODS["fit"](learner(), [Checkpoint(tmp_path / "c")])
    resumed = learner()
    METHODS["fit"](resumed, [StopAt(0), Checkpoint(tmp_path / "c", resume=True)])
    assert len(resumed.history) == EPOCHS


def test_a_stopped_cell_that_is_run_again_resumes(tmp_path):
    """On the same learner, as in a notebook; in a new one afterwards nothing is left to do."""
    whole = learner()
    METHODS["fit_one_cycle"](whole, [Checkpoint(tmp_path / "whole")])

    def cell(learn, *more):
        METHODS["fit_one_cycle"](learn, [*more, Checkpoint(tmp_path / "c", resume=True)])

    learn = learner()
    with pytest.raises(Stopped):
        cell(learn, StopAt(9))
    cell(learn)
    assert_same(learn, whole)
    anew = learner()
    cell(anew, StopAt(0))
    assert_same(anew, whole)


def test_skipping_a_completed_training_prints_it_and_restores_its_weights(tmp_path, capsys):
    tuned = learner()
    METHODS["fine_tune"](tuned, [Checkpoint(tmp_path / "c")])
    anew = learner()
    anew.fit(1, cbs=Checkpoint(tmp_path / "c", resume=True))
    assert "training 1 is already complete in" in capsys.readouterr().out
    assert_same(anew, tuned)
    with pytest.raises(VicinalError, match="of a training of 1 epochs, not of 7: give the same"):
        learner().fit(7, cbs=Checkpoint(tmp_path / "c", resume=True))


def test_without_a_checkpoint_it_begins(tmp_path):
    learn = learner()
    METHODS["fit"](learn, [Checkpoint(tmp_path / "c", resume=True)])
    assert len(learn.history) == EPOCHS


def test_a_training_that_a_callback_ended_early_stays_ended(tmp_path):
    class EndAfterTwo(Callback):
        order = 99

        def after_epoch(self, learn):
            if learn.epoch == 1:
                raise CancelFit

    learn = learner()
    METHODS["fit"](learn, [EndAfterTwo(), Checkpoint(tmp_path / "c")])
    assert len(learn.history) == 2


class Counting(Callback):
    """A callback of the user's own that has a state."""

    def before_fit(self, learn):
        self.count = 0

    def after_batch(self, learn):
        self.count += 1

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def test_the_state_of_callbacks_is_restored(tmp_path):
    with pytest.raises(Stopped):
        learner().fit(3, cbs=[Counting(), StopAt(9), Checkpoint(tmp_path / "c")])
    counting = Counting()
    learner().fit(3, cbs=[counting, Checkpoint(tmp_path / "c", resume=True)])
    whole = Counting()
    learner().fit(3, cbs=whole)
    assert counting.count == whole.count


def test_a_callback_may_have_its_state_only_later(tmp_path):
    class Late(Counting):
        def before_fit(self, learn): ...

        def after_batch(self, learn):
            self.count = learn.epoch

    learner().fit(1, cbs=[Late(), Checkpoint(tmp_path / "c")])


class TestAnotherTraining:
    @pytest.fixture
    def checkpoint(self, tmp_path):
        with pytest.raises(Stopped):
            learner().fit(3, cbs=[StopAt(9), Checkpoint(tmp_path / "c")])
        return Checkpoint(tmp_path / "c", resume=True)

    @staticmethod
    def assert_refused(learn, cbs, sentence, epochs=3):
        before = result(learn)
        with pytest.raises(VicinalError, match=sentence):
            learn.fit(epochs, cbs=cbs)
        rows, weights = result(learn)
        assert rows == before[0] == []
        assert all(torch.equal(weights[name], before[1][name]) for name in weights)

    def test_of_other_epochs(self, checkpoint):
        sentence = "is of a training of 3 epochs, not of 4"
        self.assert_refused(learner(), checkpoint, sentence, epochs=4)

    def test_of_another_network(self, checkpoint):
        learn = learner()
        learn.model = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))
        learn.splitter = lambda model: [list(model.parameters())]
        self.assert_refused(learn, checkpoint, "is of another network")

    def test_with_other_callbacks(self, checkpoint):
        sentence = "was made with the callbacks MixBatches, not with Counting, MixBatches"
        self.assert_refused(learner(), [Counting(), checkpoint], sentence)

    def test_of_another_mixer(self, checkpoint):
        sentence = "was made with the callbacks MixBatches, not with none"
        self.assert_refused(learner("none"), checkpoint, sentence)

    def test_by_another_optimizer(self, checkpoint):
        sentence = "is of a training by AdamW, not by SGD: give the same optimizer"
        self.assert_refused(learner(opt_func=torch.optim.SGD), checkpoint, sentence)


def test_a_file_that_cannot_be_written_is_an_error_before_the_training(tmp_path):
    (tmp_path / "file").touch()
    learn = learner()
    with pytest.raises(VicinalError, match=r"c cannot be written \(File exists\)$"):
        learn.fit(1, cbs=Checkpoint(tmp_path / "file" / "c"))
    assert not learn.history
    with pytest.raises(VicinalError, match=r"best\.safetensors cannot be written: Not a directory"):
        learner(path=tmp_path / "file").fit(1, cbs=SaveBest())


def test_a_missing_folder_is_created(tmp_path):
    learner().fit(1, cbs=Checkpoint(tmp_path / "new" / "c"))
    assert (tmp_path / "new" / "c").exists()


def test_moments_of_another_dtype_than_their_weights_resume(tmp_path):
    """torch's load_state_dict would round them to that of the weights."""

    class Wide(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    state["sum"] = state.get("sum", 0.0) + p.grad.double() / 3
                    state["count"] = state.get("count", torch.tensor(2**24)) + 1
                    p.copy_(-group["lr"] * state["sum"] * (state["count"] - 2**24))

    whole = learner(opt_func=Wide)
    METHODS["fit"](whole, [])
    assert_same(stopped_and_resumed(tmp_path / "c", 16, METHODS["fit"], opt_func=Wide), whole)


def test_an_optimizer_of_an_earlier_version_is_restored():
    model = nn.Linear(2, 2)
    first, second = (torch.optim.Adam(model.parameters()) for _ in range(2))
    model(torch.ones(1, 2)).sum().backward()
    first.step()
    restore_optimizer(second, first.state_dict())
    assert second.state[model.weight]["exp_avg"].equal(first.state[model.weight]["exp_avg"])


def test_schedules_reach_the_inner_optimizer_after_a_resume():
    model = nn.Linear(2, 2)
    first, second = (SAM(model.parameters(), torch.optim.Adam, lr=0.1) for _ in range(2))
    model(torch.ones(1, 2)).sum().backward()
    first.first_step()
    first.second_step()
    restore_optimizer(second, optimizer_state(first))
    second.param_groups[0]["lr"] = 0.5
    assert second.base_optimizer.param_groups[0]["lr"] == 0.5
    moments = second.base_optimizer.state[model.weight]["exp_avg"]
    assert moments.equal(first.base_optimizer.state[model.weight]["exp_avg"])


def test_the_generators_of_numpy_and_python_resume(tmp_path):
    class Noise(Callback):
        def before_step(self, learn):
            with torch.no_grad():
                noise = float(np.random.rand()) + random.random()  # noqa: NPY002
                next(learn.model.parameters()).add_(noise)

    def train(*cbs):
        random.seed(3)
        learn = learner()
        METHODS["fit"](learn, [Noise(), *cbs])
        return learn

    whole = train()
    with pytest.raises(Stopped):
        train(StopAt(16), Checkpoint(tmp_path / "c"))
    assert_same(train(Checkpoint(tmp_path / "c", resume=True)), whole)


def test_a_flipped_bit_in_a_checkpoint_is_said(tmp_path):
    learner().fit(1, cbs=Checkpoint(tmp_path / "c"))
    content = bytearray((tmp_path / "c").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "c").write_bytes(bytes(content))
    with pytest.raises(VicinalError, match=r"c is damaged, .* restore it from a copy"):
        Checkpoint(tmp_path / "c", resume=True)
