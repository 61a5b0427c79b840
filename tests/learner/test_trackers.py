"""Trackers get the history of a training, whatever happens to it or to them."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from disturbances import At
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams
from torch import nn

from vicinal import (
    Callback,
    CancelFit,
    Checkpoint,
    DataLoaders,
    Learner,
    MixUp,
    Track,
    VicinalError,
    accuracy,
    create_model,
)
from vicinal.learner import recorder, trackers


def learner(*cbs, **options):
    torch.manual_seed(0)
    x, y = torch.randn(40, 2), torch.arange(40) % 2
    dls = DataLoaders.from_tensors(x, y, x[:10], y[:10], bs=8, device="cpu")
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    return Learner(
        dls,
        model,
        metrics=accuracy,
        cbs=list(cbs),
        splitter=lambda m: [list(layer.parameters()) for layer in m],
        **options,
    )


def weights(learn):
    return torch.cat([p.detach().flatten() for p in learn.model.parameters()])


def read(folder):
    """The scalars in a TensorBoard folder: {name: [(step, value), ...]}."""
    found = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def assert_shown(found, history):
    """TensorBoard's single-precision scalars are the history's columns."""
    assert set(found) == {*history[0], "learning_rate"} - {"epoch"}
    for name in set(found) - {"learning_rate"}:
        steps, values = zip(*found[name], strict=True)
        assert list(steps) == [row["epoch"] for row in history]
        assert list(values) == pytest.approx([row[name] for row in history], rel=1e-6)


class Note(GeneralTracker):
    """A tracker of the user's own, that fails at a given call."""

    name, requires_logging_directory = "note", False

    def __init__(self, **fails):
        super().__init__()
        self.calls, self.fails = [], fails

    @property
    def tracker(self):
        return self.calls

    def _call(self, name, *content):
        self.calls.append((name, *content))
        if len(self.of(name)) == self.fails.get(name):
            raise ConnectionError(f"no network for {name}\nat 10.0.0.1")

    def of(self, name):
        return [content for called, *content in self.calls if called == name]

    def start(self):
        self._call("start")

    def store_init_configuration(self, values):
        self._call("store", values)

    def log(self, values, step=None):
        self._call("log", step, values)

    def finish(self):
        self._call("finish")


# ---- what is logged ---------------------------------------------------------------------------


def test_tensorboard_shows_the_history(tmp_path):
    learn = learner(Track("tensorboard", folder=tmp_path))
    learn.fit(3, 0.25)
    found = read(tmp_path)
    assert_shown(found, learn.history)
    assert found["learning_rate"] == [(1, 0.25), (2, 0.25), (3, 0.25)]


def test_the_learning_rate_is_that_of_the_epochs_end_and_the_last_group():
    class Rates(Callback):
        def before_fit(self, learn):
            self.seen = []

        def before_train(self, learn):
            self.seen.append(learn.optimizer.param_groups[-1]["lr"])

    note, rates = Note(), Rates()
    learner(Track(note), rates).fit_one_cycle(4, slice(1e-3, 1e-1))
    logged = [row["learning_rate"] for _, row in note.of("log")]
    assert logged[:-1] == rates.seen[1:]
    assert logged[-1] == pytest.approx(1e-1 / 1e5)


def test_several_trainings_are_one_run_of_tensorboard(tmp_path):
    learn = learner(Track("tensorboard"), path=tmp_path)
    learn.fine_tune(2, freeze_epochs=2)
    learn.fit(1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert len(learn.history) == 5
    assert_shown(read(folder), learn.history)


def test_each_learner_has_a_run_of_its_own(tmp_path):
    learners = [learner(Track("tensorboard"), path=tmp_path) for _ in range(3)]
    for epochs, learn in enumerate(learners, start=1):
        learn.fit(epochs)
    folders = sorted((tmp_path / "runs").iterdir())
    for folder, learn in zip(folders, learners, strict=True):
        assert_shown(read(folder), learn.history)


def test_what_was_logged_is_on_disk_after_each_epoch(tmp_path):
    class Read(Callback):
        order = 99

        def after_epoch(self, learn):
            assert_shown(read(tmp_path), learn.history)

    learn = learner(Track("tensorboard", folder=tmp_path), Read())
    learn.fit(2)
    assert len(learn.history) == 2


def test_the_hyper_parameters_are_logged_once():
    note = Note()
    mixer = MixUp(0.3, seed=1)
    learn = learner(mixer, Track(note, parameters={"epochs": 5, "data": "points"}))
    learn.fine_tune(4)
    assert note.of("store") == [
        [
            {
                "epochs": 5,
                "data": "points",
                "batch_size": 8,
                "precision": "fp32",
                "model": "Sequential",
                "mixer": repr(mixer),
                "optimizer": "AdamW",
            }
        ]
    ]


def test_tensorboard_has_the_hyper_parameters_in_the_run_itself(tmp_path):
    learner(Track("tensorboard", folder=tmp_path, parameters={"seed": 7})).fine_tune(1)
    assert all(file.is_file() for file in tmp_path.iterdir())
    found = EventAccumulator(str(tmp_path)).Reload().summary_metadata
    content = found[hparams.SESSION_START_INFO_TAG].plugin_data.content
    stored = hparams.parse_session_start_info_plugin_data(content).hparams
    assert stored["optimizer"].string_value == "AdamW"
    assert stored["epochs"].number_value == 1
    assert stored["mixer"].string_value == "none"
    assert stored["seed"].number_value == 7


def test_a_network_of_timms_is_logged_by_its_name():
    x, y = torch.rand(4, 3, 32, 32), torch.arange(4) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    note = Note()
    Learner(dls, create_model("resnet18", 2, pretrained=False), cbs=Track(note)).fit(1)
    ((stored,),) = note.of("store")
    assert stored["model"] == "resnet18"


def test_starting_is_not_part_of_the_epochs_seconds(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(recorder.time, "perf_counter", lambda: clock[0])

    class Slow(Note):
        def start(self):
            clock[0] += 1000

    learn = learner(Track(Slow()))
    learn.fit(2)
    assert all(row["seconds"] < 500 for row in learn.history)


def test_a_learning_rate_range_test_is_not_logged():
    note = Note()
    learner(Track(note)).lr_find(num_it=10)
    assert not note.calls


def test_only_the_main_process_logs(monkeypatch):
    monkeypatch.setattr(trackers, "this_process", lambda: SimpleNamespace(is_main_process=False))
    note = Note()
    learner(Track(note)).fit(1)
    assert not note.calls


# ---- trainings that go on ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "fine_tune"])
@pytest.mark.parametrize(
    ("event", "time", "order"),
    [
        ("before_batch", 3, 0),
        ("before_batch", 17, 0),
        ("before_train", 3, 0),
        ("after_epoch", 2, 90),  # it was logged, but no checkpoint was written
        ("after_epoch", 3, 90),
    ],
)
def test_a_killed_training_resumes_in_the_same_folder(
    tmp_path, monkeypatch, method, event, time, order
):
    def train(*cbs, resume):
        track = Track("tensorboard", folder=tmp_path / "log")
        learn = learner(*cbs, track, Checkpoint(tmp_path / "checkpoint", resume=resume))
        getattr(learn, method)(3, 0.01)
        return learn

    with monkeypatch.context() as killed:
        killed.delattr(Track, "after_fit")  # so that nothing is closed
        with pytest.raises(RuntimeError):
            train(At(event, RuntimeError, time, order), resume=False)
    learn = train(resume=True)
    assert len(learn.history) == (3 if method == "fit" else 4)
    # A repeated epoch takes a different time.
    found = {name: rows for name, rows in read(tmp_path / "log").items() if name != "seconds"}
    assert_shown(found, [{k: v for k, v in row.items() if k != "seconds"} for row in learn.history])


def test_rows_restored_from_a_checkpoint_are_not_logged_again(tmp_path):
    stop = At("before_train", RuntimeError, time=3)
    with pytest.raises(RuntimeError):
        learner(Track(Note()), stop, Checkpoint(tmp_path / "c")).fit(4)
    note = Note()
    learner(Track(note), Checkpoint(tmp_path / "c", resume=True)).fit(4)
    assert [step for step, _ in note.of("log")] == [3, 4]


def test_a_training_may_resume_with_another_tracker_or_none(tmp_path):
    stop = At("before_train", RuntimeError, time=2)
    with pytest.raises(RuntimeError):
        learner(Track(Note()), stop, Checkpoint(tmp_path / "c")).fit(3)
    learn = learner(Checkpoint(tmp_path / "c", resume=True))
    learn.fit(3)
    assert len(learn.history) == 3


# ---- opened and closed ------------------------------------------------------------------------


def test_the_users_tracker_is_started_and_finished_around_each_training():
    note = Note()
    learner(Track(note)).fine_tune(2)
    called = [name for name, *_ in note.calls]
    assert called == ["start", "store", "log", "finish", "start", "log", "log", "finish"]
    assert [step for step, _ in note.of("log")] == [1, 2, 3]


@pytest.mark.parametrize("event", ["before_train", "after_batch", "after_epoch"])
@pytest.mark.parametrize("order", [0, 99])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, CancelFit])
def test_it_is_closed_whatever_ends_the_training(event, order, error):
    note = Note()
    learn = learner(Track(note), At(event, error, time=2, order=order))
    with nullcontext() if error is CancelFit else pytest.raises(error):
        learn.fit(3)
    assert [name for name, *_ in note.calls][-1] == "finish"
    assert [row for _, row in note.of("log")] == [
        {name: value for name, value in row.items() if name != "epoch"} | {"learning_rate": 1e-3}
        for row in learn.history
    ]


def test_it_is_closed_even_if_another_callback_fails_to_close():
    note = Note()
    with pytest.raises(RuntimeError):
        learner(At("after_fit", RuntimeError, order=85), Track(note)).fit(1)
    assert len(note.of("finish")) == 1


def test_a_name_makes_one_run_of_several_trainings(monkeypatch):
    made = []

    class Runs(Note):
        """Opens runs as wandb does."""

        def __init__(self, project, **options):
            super().__init__()
            self.run = SimpleNamespace(id=options.get("id", f"run {len(made)}"))
            made.append((project, options, self))

    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "wandb", Runs)
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["wandb"])
    learner(Track("wandb", project="points")).fine_tune(2)
    learner(Track("wandb")).fit(1)
    assert [options for _, options, _ in made] == [{}, {"id": "run 0", "resume": "allow"}, {}]
    assert [project for project, *_ in made] == ["points", "points", "vicinal"]
    assert [len(run.of("store")) for *_, run in made] == [1, 0, 1]


@pytest.mark.parametrize("folder", [None, "elsewhere"])
def test_a_tracker_that_was_registered_gets_the_folder(monkeypatch, tmp_path, folder):
    class Files(Note):
        requires_logging_directory = True

        def __init__(self, project, logging_dir):
            super().__init__()
            made.append((project, logging_dir))

    made = []
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "files", Files)
    learner(Track("files", folder=folder), path=tmp_path).fit(1)
    assert made == [("vicinal", folder or tmp_path)]


def test_one_learner_is_not_logged_over_another():
    track = Track(Note())
    learner(track).fit(2)
    with pytest.raises(VicinalError, match=r"Track\(note\) has logged 2 epochs of another learner"):
        learner(track).fit(2)


# ---- trackers that fail -----------------------------------------------------------------------


@pytest.mark.parametrize("call", ["log", "finish", "start"])
def test_a_tracker_that_fails_later_does_not_end_the_training(call):
    note = Note(**{call: 2})
    learn, without = learner(Track(note)), learner()
    without.fine_tune(3)
    with pytest.warns(
        UserWarning, match=rf"the tracker note failed after .* \(no network for {call}\): the"
    ) as warned:
        learn.fine_tune(3)
    assert len(warned) == 1
    assert torch.equal(weights(learn), weights(without))
    assert len(learn.history) == 4
    # It is closed, and not called again.
    called = [name for name, *_ in note.calls]
    _, at, *_ = (place for place, name in enumerate(called) if name == call)
    assert called[at + 1 :] == (["finish"] if call == "log" else [])


def test_one_that_always_fails_warns_once():
    class Gone(Note):
        def log(self, values, step=None):
            raise TimeoutError

        finish = log

    learn = learner(Track(Gone()))
    with pytest.warns(UserWarning, match=r"after epoch 1 \(TimeoutError\): the training") as warned:
        learn.fine_tune(3)
    assert len(warned) == 1
    assert len(learn.history) == 4


def test_an_error_of_the_training_is_not_hidden_by_the_trackers():
    learn = learner(Track(Note(finish=1)), At("after_batch", RuntimeError("mine")))
    with pytest.raises(RuntimeError, match="mine"), pytest.warns(UserWarning, match="for finish"):
        learn.fit(1)


@pytest.mark.parametrize("call", ["start", "store"])
def test_one_that_cannot_be_started_ends_the_training_before_it_begins(call):
    note = Note(**{call: 1})
    learn = learner(Track(note))
    before = weights(learn).clone()
    sentence = f"^the tracker note cannot be started: no network for {call}$"
    with pytest.raises(VicinalError, match=sentence):
        learn.fit(1)
    assert not learn.history
    assert torch.equal(weights(learn), before)
    assert len(note.of("finish")) == (call == "store")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    learn = learner(Track("tensorboard", folder=tmp_path / "file" / "log"))
    with pytest.raises(VicinalError, match=r"tensorboard cannot be started: .*file/log"):
        learn.fit(1)


# ---- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tensorbord", "there is no tracker named tensorbord: did you mean tensorboard?"),
        ("WandB", "there is no tracker named WandB: did you mean wandb?"),
        ("comet", "there is no tracker named comet: did you mean comet_ml?"),
        ("", "there is no tracker named : use one of aim, "),
        ("all", "there is no tracker named all: use one of aim, "),
    ],
)
def test_similar_names_are_suggested(name, sentence):
    with pytest.raises(VicinalError) as error:
        Track(name)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_named(monkeypatch, name):
    monkeypatch.setattr(trackers, "get_available_trackers", list)
    with pytest.raises(VicinalError, match=f"{name} is not installed: pip install {name}$"):
        Track(name)


@pytest.mark.parametrize("tracker", [None, 3, Note, MixUp()])
def test_something_that_is_not_a_tracker(tracker):
    with pytest.raises(VicinalError, match="is a name such as 'tensorboard' or an instance of"):
        Track(tracker)
