"""Comparisons from Python, and the runner behind them."""

import copy
import os
import signal
import threading
import time
from functools import partial
from html import escape

import pandas as pd
import pytest
import torch
from torch import nn

from fresh import FRESH
from vicinal import (
    BalancedMixUp,
    Callback,
    ClipGradients,
    CutMix,
    DataLoaders,
    EarlyStopping,
    Learner,
    ManifoldMixUp,
    MixLoss,
    MixUp,
    compare,
    rmse,
)
from vicinal.errors import VicinalError
from vicinal.learner.state import load_tree, save_tree
from vicinal.progress import progress_bar
from vicinal.study import store
from vicinal.study.arms import Arm
from vicinal.study.identity import identity
from vicinal.study.result import Result
from vicinal.study.runner import PreparedRun, Runner
from vicinal.study.store import SUFFIXES, ResultStore


def points():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=generator)
    y = (x[:, 0] + 0.3 * torch.randn(300, generator=generator) > 0).long()
    return x, y


def data(seed):
    x, y = points()
    return DataLoaders.from_tensors(
        x[:200], y[:200], x[200:], y[200:], bs=20, seed=seed, device="cpu"
    )


def model():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


ARMS = {"none": None, "mixup": MixUp(0.4)}


def small(seed):
    x, y = points()
    return DataLoaders.from_tensors(x[:40], y[:40], x[40:60], y[40:60], bs=20, seed=seed)


def linear():
    return nn.Linear(4, 2)


class TestCompare:
    def test_it_returns_a_row_for_each_run_and_prints_the_answer(self, capsys):
        frame = compare(data, model, ARMS, seeds=3, epochs=2, lr=0.03)
        assert isinstance(frame, pd.DataFrame)
        assert frame[["mix", "epochs", "seed"]].values.tolist() == [
            *(["none", 2, seed] for seed in range(3)),
            *(["mixup", 2, seed] for seed in range(3)),
        ]
        assert frame["accuracy"].between(0.5, 1).all()
        assert (frame["failed"] == "").all()
        assert capsys.readouterr().out.strip() == "\n".join(frame.attrs["answer"])
        differences = pd.DataFrame(frame.attrs["differences"]).set_index("measure")
        means = frame.groupby("mix")["accuracy"].mean()
        assert differences.loc["accuracy", "difference"] == pytest.approx(
            means["mixup"] - means["none"]
        )

    def test_it_equals_a_loop_over_learners(self):
        """Every run is what the learner gives by itself."""
        frame = compare(data, model, ARMS, seeds=[3, 5], epochs=2, lr=0.03).set_index("seed")
        for seed in (3, 5):
            for name, rows in frame.groupby("mix"):
                torch.manual_seed(seed)
                learn = Learner(
                    data(seed), model(), cbs=MixUp(0.4, seed=seed) if name != "none" else None
                )
                with learn.no_logging():
                    learn.fit_one_cycle(2, 0.03)
                outputs, targets = learn.get_preds()
                right = (outputs.argmax(1) == targets).double().mean().item()
                assert rows.loc[seed, "accuracy"] == pytest.approx(right)
                loss = nn.functional.nll_loss(outputs.double().log(), targets).item()
                assert rows.loc[seed, "nll"] == pytest.approx(loss)

    def test_identical_arms_do_not_differ(self):
        frame = compare(data, model, {"one": MixUp(0.4), "two": MixUp(0.4)}, seeds=2, epochs=1)
        for row in frame.attrs["differences"]:
            assert (row["difference"], row["significant"]) == (0, False)
            # Samples that are right or wrong show no difference by chance as well.
            assert row["low"] <= 0 <= row["high"] < 0.2
            assert row["measure"] != "nll" or row["low"] == row["high"] == 0

    def test_the_global_generator_is_left_as_it_was(self):
        before = torch.get_rng_state()
        compare(data, model, ARMS, seeds=1, epochs=1)
        assert torch.get_rng_state().equal(before)

    def test_mixers_may_be_instances_classes_and_functions_of_the_learner(self):
        arms = {
            "none": None,
            "class": MixUp,
            "inside": lambda learn: ManifoldMixUp(learn.model, ["0", "1"]),
        }
        frame = compare(data, model, arms, seeds=2, epochs=1)
        assert (frame["failed"] == "").all()
        assert ARMS["mixup"].random.draws == 0

    def test_values_are_compared_by_their_error(self):
        x, _ = points()
        y = x[:, :1] * 2

        def values(seed):
            return DataLoaders.from_tensors(x, y, x, y, bs=20, seed=seed, device="cpu")

        frame = compare(values, lambda: nn.Linear(4, 1), ARMS, seeds=2, epochs=3, lr=0.1)
        assert {"rmse"} == {row["measure"] for row in frame.attrs["differences"]}
        torch.manual_seed(1)
        learn = Learner(values(1), nn.Linear(4, 1), metrics=rmse)
        with learn.no_logging():
            learn.fit_one_cycle(3, 0.1)
        own = frame[(frame["mix"] == "none") & (frame["seed"] == 1)]
        assert own["rmse"].item() == pytest.approx(learn.history[-1]["valid_rmse"], rel=1e-5)

    def test_an_arm_that_diverges_is_reported_and_the_others_go_on(self, capsys):
        class Explode(Callback):
            def after_step(self, learn):
                learn.model[0].weight.data.fill_(torch.nan)

        def mixer(learn):
            learn.add_cbs(Explode())
            return MixUp()

        frame = compare(
            data, model, {"none": None, "bad": mixer, "mixup": MixUp}, seeds=2, epochs=1
        )
        assert [bool(text) for text in frame["failed"]] == [False, False, True, True, False, False]
        assert (
            "bad: 2 of its 2 runs diverged (the training loss became nan" in capsys.readouterr().out
        )

    @pytest.mark.parametrize(
        "settings", [{"seeds": 0}, {"arms": {"none": None}}, {"epochs": []}], ids=str
    )
    def test_fewer_than_two_arms_or_no_run_are_refused(self, settings):
        arguments = {"arms": ARMS, "seeds": 1, "epochs": 1, **settings}
        with pytest.raises(VicinalError, match="two or more arms, one or more seeds"):
            compare(data, model, **arguments)

    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"seeds": [0, 0]}, r"seeds=\[0, 0\] names one twice"),
            ({"epochs": [1, 1]}, r"epochs=\[1, 1\] names one twice"),
            ({"epochs": 0}, "must be 1 or more, not 0"),
            ({"arms": {"none": None, "mixup": "mixup"}}, "the arm 'mixup' must be None"),
            ({"report": "no/such/folder/report.html"}, "no/such/folder is no folder"),
        ],
    )
    def test_mistakes_are_reported_before_any_training(self, settings, sentence):
        def never(seed):
            raise AssertionError("it was trained")

        with pytest.raises(VicinalError, match=sentence):
            compare(never, model, **{"arms": ARMS, "seeds": 1, "epochs": 1, **settings})

    def test_a_validation_part_that_differs_is_refused(self):
        def other(seed):
            x, y = points()
            x, y = x.roll(seed, 0), y.roll(seed, 0)
            return DataLoaders.from_tensors(
                x[:200], y[:200], x[200:], y[200:], bs=20, seed=seed, device="cpu"
            )

        with pytest.raises(VicinalError, match="the validation part of none-1 with seed 1 is not"):
            compare(other, model, ARMS, seeds=2, epochs=1)

    def test_the_arm_that_does_not_mix_is_the_baseline_whatever_its_name(self):
        frame = compare(data, model, {"none": MixUp, "plain": None}, seeds=2, epochs=1)
        pairs = {(row["mix"], row["against"]) for row in frame.attrs["differences"]}
        assert pairs == {("none", "plain")}

    def test_an_error_other_than_divergence_is_raised(self):
        class Full(Callback):
            def after_epoch(self, learn):
                raise VicinalError("no space left")

        with pytest.raises(VicinalError, match="no space left"):
            compare(data, model, ARMS, seeds=1, epochs=1, cbs=Full())

    def test_runs_that_stop_early_are_drawn(self, tmp_path):
        def stopping(learn):
            learn.add_cbs(EarlyStopping("valid_loss", patience=1))

        arms = {"none": None, "odd $ name": stopping}
        frame = compare(
            data, model, arms, seeds=3, epochs=6, lr=0.5, report=tmp_path / "report.html"
        )
        assert (frame["failed"] == "").all()

    def test_a_function_that_trains_may_read_the_row_of_any_epoch(self):
        """Only vicinal's own are known to need no more than a learning curve has."""
        read = []

        def fit(learn, epochs, lr):
            learn.fit(epochs, lr)
            read.append([row["valid_loss"] for row in learn.history])

        compare(small, linear, ARMS, seeds=1, epochs=22, fit=fit)
        assert [len(rows) for rows in read] == [22, 22]

    def test_a_report_is_written(self, tmp_path):
        compare(data, model, ARMS, seeds=2, epochs=[1, 2], report=tmp_path / "report.html")
        text = (tmp_path / "report.html").read_text()
        assert "<!doctype html>" in text
        assert "by the length of training" in text


class CleanAndMixed(Callback):
    """Trains on the mean of the loss of the plain batch and that of the mixed one."""

    order = 50

    def __init__(self, mixer, weight=0.5):
        self.mixer, self.weight = mixer, weight

    def before_batch(self, learn):
        if learn.training:
            self.clean = learn.x, learn.y
            learn.x, learn.y = self.mixer(learn.x, learn.y)

    def after_loss(self, learn):
        if learn.training:
            x, y = self.clean
            clean = MixLoss(learn.loss_func)(learn.model(x), y)
            learn.loss = self.weight * clean + (1 - self.weight) * learn.loss

    def after_fit(self, learn):
        self.clean = None
        self.mixer.release()


class TestCallbackArms:
    """Callbacks are arms as mixers are; each run has copies of its own."""

    def by_hand(self, seed, *callbacks):
        torch.manual_seed(seed)
        learn = Learner(data(seed), model(), cbs=list(callbacks))
        with learn.no_logging():
            learn.fit_one_cycle(2, 0.03)
        outputs, targets = learn.get_preds()
        return nn.functional.nll_loss(outputs.double().log(), targets).item()

    def test_an_objective_is_an_arm(self, tmp_path):
        objective = CleanAndMixed(MixUp(0.4))
        arms = {"none": None, "mixup": MixUp(0.4), "clean+mixed": objective}
        report = tmp_path / "report.html"
        frame = compare(data, model, arms, seeds=2, epochs=2, lr=0.03, report=report)
        assert frame["mix"].tolist() == ["none"] * 2 + ["mixup"] * 2 + ["clean+mixed"] * 2
        for seed, nll in frame[frame["mix"] == "clean+mixed"][["seed", "nll"]].values:
            own = CleanAndMixed(MixUp(0.4, seed=int(seed)))
            assert nll == pytest.approx(self.by_hand(int(seed), own))
        assert frame["nll"].nunique() == 6
        assert objective.mixer.random.draws == 0
        assert "clean" not in vars(objective)
        assert {row["mix"] for row in frame.attrs["differences"]} == {"mixup", "clean+mixed"}
        assert any("clean+mixed" in sentence for sentence in frame.attrs["answer"])
        assert '<th scope="row">clean+<wbr>mixed</th>' in report.read_text()

    def test_instances_classes_functions_and_lists_give_the_same(self):
        class Usual(CleanAndMixed):
            def __init__(self):
                super().__init__(MixUp(0.4))

        arms = {
            "none": None,
            "instance": Usual(),
            "class": Usual,
            "function": lambda learn: CleanAndMixed(MixUp(0.4)),
            "list": [Usual(), lambda learn: None],
        }
        frame = compare(data, model, arms, seeds=2, epochs=1, lr=0.03)
        values = frame.groupby("mix", sort=False)["nll"].apply(list)
        assert values["instance"] == values["class"] == values["function"] == values["list"]
        assert values["instance"] != values["none"]

    def test_a_list_has_a_mixer_and_a_callback(self):
        arms = {"none": None, "both": [MixUp(0.4), EarlyStopping("valid_loss", patience=9)]}
        both = compare(data, model, arms, seeds=1, epochs=2, lr=0.03)["nll"].iloc[1]
        assert both == pytest.approx(self.by_hand(0, MixUp(0.4, seed=0)))

    def test_state_is_not_carried_from_run_to_run(self):
        class Count(Callback):
            batches = 0

            def after_step(self, learn):
                self.batches += 1
                assert self.batches <= 10  # of one run, by 200 samples in batches of 20

        arm = Count()
        compare(data, model, {"none": None, "count": arm}, seeds=2, epochs=1)
        assert arm.batches == 0

    def test_what_cannot_be_copied_needs_a_function(self):
        class Locked(Callback):
            def __init__(self):
                self.lock = threading.Lock()

        def never(seed):
            raise AssertionError("it was trained")

        sentence = "the arm 'locked' holds .* cannot be copied .*: give a function"
        with pytest.raises(VicinalError, match=sentence):
            compare(never, model, {"none": None, "locked": Locked()}, seeds=1, epochs=1)
        arms = {"none": None, "locked": lambda learn: Locked()}
        assert len(compare(data, model, arms, seeds=1, epochs=1)) == 2

    def test_other_settings_of_a_callback_are_other_settings(self, tmp_path):
        def called(weight):
            arms = {"none": None, "both": CleanAndMixed(MixUp(0.4), weight)}
            return compare(data, model, arms, seeds=1, epochs=1, folder=tmp_path)

        called(0.5)
        called(0.5)
        with pytest.raises(VicinalError, match="was trained with other settings"):
            called(0.9)

    @pytest.mark.parametrize("content", ["mixup", nn.Linear, [None, 3]], ids=str)
    def test_anything_else_is_refused(self, content):
        with pytest.raises(VicinalError, match="the arm 'odd' must be None, a mixer such as"):
            compare(data, model, {"none": None, "odd": content}, seeds=1, epochs=1)


class TestStored:
    def test_results_of_a_version_without_a_measure_are_read(self, tmp_path):
        """After new runs, which have it: the arms of the earlier version lack it."""
        compare(data, model, ARMS, seeds=2, epochs=1, folder=tmp_path)
        for file in tmp_path.glob("*.result"):
            tree = load_tree(file)
            del tree["values"]["brier"]
            save_tree(file, tree)
        arms = {**ARMS, "cutmix": MixUp(1.0)}
        frame = compare(
            data, model, arms, seeds=2, epochs=1, folder=tmp_path, report=tmp_path / "report.html"
        )
        brier = frame.set_index("mix")["brier"]
        assert brier[["none", "mixup"]].isna().all()
        assert brier["cutmix"].notna().all()
        sentence = (
            "Brier score was not measured in none and mixup: an earlier version did not have it."
        )
        assert sentence in frame.attrs["answer"]
        page = (tmp_path / "report.html").read_text()
        assert sentence in page
        assert page.count("<td>not measured</td>") == 2
        assert "nll" in {row["measure"] for row in frame.attrs["differences"]}

    def test_a_second_call_trains_only_what_is_new(self, tmp_path):
        trained = []

        def watched():
            trained.append(1)
            return model()

        first = compare(data, watched, ARMS, seeds=2, epochs=1, folder=tmp_path)
        assert len(trained) == 4
        more = compare(data, watched, ARMS, seeds=3, epochs=1, folder=tmp_path)
        assert len(trained) == 6
        same = more[more["seed"] < 2].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, first.reset_index(drop=True))

    def test_results_of_other_settings_are_refused(self, tmp_path):
        compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path)
        for settings in ({"lr": 0.5}, {"arms": {"none": None, "mixup": MixUp(8.0)}}):
            arguments = {"arms": ARMS, "seeds": 1, "epochs": 1, **settings}
            with pytest.raises(VicinalError, match="was trained with other settings"):
                compare(data, model, folder=tmp_path, **arguments)

    @pytest.mark.parametrize(
        "settings",
        [
            {"precision": "bf16"},
            {"opt_func": torch.optim.SGD},
            {"opt_func": partial(torch.optim.SGD, momentum=0.9)},
            {"fit": Learner.fit},
        ],
        ids=["precision", "function", "argument", "fit"],
    )
    def test_results_of_other_arguments_of_the_learner_are_refused(self, tmp_path, settings):
        before = {"opt_func": partial(torch.optim.SGD, momentum=0.5), "precision": "fp32"}
        compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path, **before)
        compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path, **before)
        with pytest.raises(VicinalError, match="was trained with other settings"):
            compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path, **before | settings)

    def test_a_killed_run_resumes_only_with_its_own_settings(self, tmp_path, monkeypatch):
        monkeypatch.setattr(store, "EVERY", 0.0)

        class Killed(Exception):
            pass

        class Kill(Callback):
            order = 98  # after the checkpoint

            def after_epoch(self, learn):
                raise Killed

        resumed = []

        def fit(learn, epochs, lr):
            learn.fit(epochs, lr, cbs=[] if resumed else Kill())

        called = partial(compare, data, model, seeds=1, epochs=2, fit=fit)
        with pytest.raises(Killed):
            called(ARMS, lr=0.5, folder=tmp_path)
        resumed.append(1)
        (file,) = tmp_path.glob("*.checkpoint")
        before = file.read_bytes()
        for arms, lr in ((ARMS, 0.01), ({"none": MixUp(8.0), "mixup": MixUp}, 0.5)):
            with pytest.raises(VicinalError, match=f"{file} was trained with other settings"):
                called(arms, lr=lr, folder=tmp_path)
        assert file.read_bytes() == before
        found, whole = called(ARMS, lr=0.5, folder=tmp_path), called(ARMS, lr=0.5)
        assert found["nll"].tolist() == whole["nll"].tolist()

    def test_a_damaged_result_is_named(self, tmp_path):
        compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path)
        file = next(tmp_path.glob("*.result"))
        file.write_bytes(b"nothing")
        with pytest.raises(VicinalError, match=f"{file} cannot be read"):
            compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path)

    def test_a_result_of_another_run_is_named(self, tmp_path):
        compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path)
        first, second = sorted(tmp_path.glob("*.result"))
        second.write_bytes(first.read_bytes())
        with pytest.raises(VicinalError, match="holds the result of mixup-1 with seed 0: remove"):
            compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path)

    @pytest.mark.parametrize("tree", [{"arm": "none"}, {"reliability": [], "age": 3}, [1, 2]])
    def test_a_file_that_is_no_result_is_named(self, tmp_path, tree):
        save_tree(tmp_path / "none-1-seed0.result", tree)
        with pytest.raises(VicinalError, match="holds no result of this version"):
            compare(data, model, ARMS, seeds=1, epochs=1, folder=tmp_path)

    def test_the_stored_result_is_the_one_that_was_returned(self, tmp_path):
        frame = compare(data, model, ARMS, seeds=1, epochs=2, folder=tmp_path)
        loaded = Result.load(tmp_path / "mixup-2-seed0.result")
        assert loaded.mean("accuracy") == frame["accuracy"].iloc[1]
        assert len(loaded.reliability) == 2
        assert len(loaded.history) == 2


def slow_model(seconds=0.005):
    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model()

        def forward(self, x):
            time.sleep(seconds)
            return self.inner(x)

    return Slow()


def in_another_process(folder):
    store.EVERY = 0.0
    compare(data, slow_model, ARMS, seeds=2, epochs=4, lr=0.03, folder=folder)


class TestProcesses:
    def start(self, folder):
        process = FRESH.Process(target=in_another_process, args=(folder,))
        process.start()
        return process

    @pytest.mark.slow
    @pytest.mark.parametrize("ended", [".checkpoint", ".result"])
    def test_a_killed_process_resumes_and_repeats_nothing(self, tmp_path, ended):
        process = self.start(tmp_path)
        while not any(tmp_path.glob(f"*{ended}")):
            assert process.is_alive()
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        stored = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.result")}
        found = compare(data, slow_model, ARMS, seeds=2, epochs=4, lr=0.03, folder=tmp_path)
        whole = compare(data, slow_model, ARMS, seeds=2, epochs=4, lr=0.03)
        assert all(file.stat().st_mtime_ns == then for file, then in stored.items())
        times = ["seconds", "samples_per_second"]
        pd.testing.assert_frame_equal(found.drop(columns=times), whole.drop(columns=times))
        assert not any(tmp_path.glob("*.checkpoint"))

    @pytest.mark.slow
    def test_two_share_the_work(self, tmp_path):
        other = self.start(tmp_path)
        while not any(tmp_path.glob("*.checkpoint")):
            assert other.is_alive()
            time.sleep(0.002)
        trained = []

        def watched():
            trained.append(1)
            return slow_model()

        frame = compare(data, watched, ARMS, seeds=2, epochs=4, lr=0.03, folder=tmp_path)
        other.join()
        assert len(frame) == 4
        assert 0 < len(trained) < 4


class TestRunner:
    def run(self, folder, prepare, **options):
        arms = [Arm("none", None, 3), Arm("mixup", 0.4, 3)]
        runs = [(arm, seed) for seed in range(2) for arm in arms]
        calls = []
        results = Runner(
            runs,
            prepare,
            ResultStore(folder, lambda arm: ""),
            done=lambda *each: calls.append(each),
            bar=progress_bar(),
            **options,
        ).run()
        return results, calls

    def prepare(self, arm, seed):
        return PreparedRun(Learner(data(seed), model()), lambda learn: learn.fit(arm.epochs))

    def test_every_result_is_passed_on(self, tmp_path):
        results, calls = self.run(tmp_path, self.prepare)
        assert [(count, is_new) for _, count, is_new in calls] == [(n, True) for n in (1, 2, 3, 4)]
        idle = []
        _, calls = self.run(tmp_path, self.prepare, idle=lambda: idle.append(1))
        assert idle == []  # there was nothing to wait for
        assert [is_new for *_, is_new in calls] == [False] * 4
        assert [result.seed for result in results] == [0, 0, 1, 1]

    def test_a_run_of_another_process_is_waited_for(self, tmp_path):
        """While there is time, even too little to do it here; its result is passed on, too."""
        none, mixup = Arm("none", None, 3), Arm("mixup", 0.4, 3)
        self.run(tmp_path / "done", self.prepare)
        store, done = (
            ResultStore(tmp_path, lambda arm: ""),
            ResultStore(tmp_path / "done", lambda arm: ""),
        )

        waits = threading.Event()

        def other():
            waits.wait(60)
            for seed in range(2):
                time.sleep(0.1)
                store.save(mixup, done.load(mixup, seed))

        with store.lock(mixup, 0), store.lock(mixup, 1):
            process = threading.Thread(target=other)
            process.start()
            results, calls = self.run(
                tmp_path,
                self.prepare,
                deadline=time.monotonic() + 100,
                expected={mixup.name: 1000.0},
                idle=waits.set,
            )
            process.join()
        assert waits.is_set()
        assert {(result.arm, result.seed) for result in results} == {
            (arm.name, seed) for arm in (none, mixup) for seed in range(2)
        }
        assert [is_new for *_, is_new in calls] == [True] * 4

    def test_what_another_process_has_finished_counts_at_once(self, tmp_path):
        """And not only after all runs that are left, which the time left is told by."""
        mixup = Arm("mixup", 0.4, 3)
        self.run(tmp_path / "done", self.prepare)
        store, done = (ResultStore(tmp_path / name, lambda arm: "") for name in (".", "done"))
        lock = store.lock(mixup, 0)  # its first run, which comes second here

        def prepare(arm, seed):
            if (arm.name, seed) == ("none-3", 1):  # the third
                store.save(mixup, done.load(mixup, 0))
                lock.release()
            return self.prepare(arm, seed)

        with lock:
            _, calls = self.run(tmp_path, prepare)
        found = [(result.arm, result.seed) for result, *_ in calls]
        assert found[1:] == [("none-3", 1), ("mixup-0.4-3", 0), ("mixup-0.4-3", 1)]

    def test_no_process_is_waited_for_when_the_time_is_up(self, tmp_path):
        with ResultStore(tmp_path, lambda arm: "").lock(Arm("mixup", 0.4, 3), 0):
            results, _ = self.run(tmp_path, self.prepare, deadline=time.monotonic() + 0.5)
        assert ("mixup-0.4-3", 0) not in {(result.arm, result.seed) for result in results}

    def test_earlier_results_are_counted_first(self, tmp_path):
        self.run(tmp_path, self.prepare)
        (tmp_path / "none-3-seed0.result").unlink()
        _, calls = self.run(tmp_path, self.prepare)
        assert [(count, is_new) for _, count, is_new in calls] == [
            (1, False),
            (2, False),
            (3, False),
            (4, True),
        ]

    def test_no_run_is_started_that_would_end_too_late(self, tmp_path):
        expected = {"none-3": 0.0, "mixup-0.4-3": 1000.0}
        results, _ = self.run(
            tmp_path, self.prepare, deadline=time.monotonic() + 100, expected=expected
        )
        assert {result.arm for result in results} == {"none-3"}

    def test_a_run_that_takes_too_long_stops_and_resumes_later(self, tmp_path, monkeypatch):
        monkeypatch.setattr("vicinal.study.store.EVERY", 0.0)  # a checkpoint after each epoch

        def slow(seconds):
            return lambda arm, seed: PreparedRun(
                Learner(data(seed), slow_model(seconds)), lambda learn: learn.fit(arm.epochs)
            )

        # An epoch takes 0.6 seconds and some more, and a run of three therefore longer than 1.5.
        results, _ = self.run(tmp_path, slow(0.04), deadline=time.monotonic() + 1.5)
        assert results == []
        assert any(file.suffix in SUFFIXES for file in tmp_path.iterdir())
        results, _ = self.run(tmp_path, slow(0))
        assert len(results) == 4

    def test_an_error_in_the_users_code_is_not_swallowed(self, tmp_path):
        def broken(arm, seed):
            raise RuntimeError("no such thing")

        with pytest.raises(RuntimeError, match="no such thing"):
            self.run(tmp_path, broken)


def test_images_are_measured_when_they_are_corrupted_and_attacked():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(240) % 2
    x = torch.randint(0, 90, (240, 3, 8, 8), generator=generator, dtype=torch.uint8)
    x[y == 1, :, :4] += 120

    def images(seed):
        return DataLoaders.from_tensors(
            x[:160], y[:160], x[160:], y[160:], bs=16, seed=seed, device="cpu"
        )

    def network():
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 2))

    frame = compare(images, network, {"none": None, "cutmix": CutMix()}, seeds=2, epochs=3, lr=0.01)
    assert (frame["accuracy"] == 1).all()
    assert frame[["noise", "blur", "contrast", "fgsm"]].stack().between(0, 1).all()


class TestWhatIsSharedByNoRuns:
    def test_callbacks_of_all_arms_are_copied_and_their_mixers_seeded(self):
        mixup = MixUp(0.4)
        arms = {"none": None, "clip": ClipGradients(1e9)}
        frames = [
            compare(data, model, arms, seeds=2, epochs=1, lr=0.03, cbs=[mixup]) for _ in range(2)
        ]
        assert mixup.random.draws == 0
        assert frames[0]["nll"].tolist() == frames[1]["nll"].tolist()
        nll = frames[0].set_index(["mix", "seed"])["nll"]
        assert nll["none"].tolist() == nll["clip"].tolist()  # which clips nothing

    def test_mixers_in_a_list_are_seeded(self):
        class InTurns(Callback):
            def __init__(self):
                self.mixers = [MixUp(1.0)]

            def before_batch(self, learn):
                if learn.training:
                    learn.x, learn.y = self.mixers[0](learn.x, learn.y)

        arms = {"none": None, "turns": InTurns()}
        frames = [compare(data, model, arms, seeds=1, epochs=1, lr=0.03) for _ in range(2)]
        assert frames[0]["nll"].tolist() == frames[1]["nll"].tolist()

    def test_a_mixer_that_holds_a_model_is_refused(self):
        class ByModel(MixUp):
            def __init__(self, network):
                super().__init__()
                self._network = network

        with pytest.raises(VicinalError, match=r"ByModel\(.* holds a model.* ByModel\(learn.model"):
            compare(data, model, {"none": None, "by model": ByModel(model())}, seeds=1)
        arms = {"none": None, "by model": lambda learn: ByModel(learn.model)}
        assert len(compare(data, model, arms, seeds=1, epochs=1, lr=0.03)) == 2

    def test_a_loss_is_no_arm(self):
        with pytest.raises(VicinalError, match="MixLoss"):
            compare(data, model, {"none": None, "loss": MixLoss(nn.CrossEntropyLoss())}, seeds=1)


class Weighted(Callback):
    """Holds what its repr does not show."""

    def __init__(self, weights, pool=None):
        self.weights, self.inner = weights, {"pool": pool}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            Weighted(torch.zeros(2000)),
            Weighted(torch.zeros(2000).index_fill(0, torch.tensor(7), 1)),
        ),
        (Weighted(None, [MixUp(0.4)]), Weighted(None, [MixUp(0.5)])),
        (BalancedMixUp(), BalancedMixUp(pool=(torch.rand(4, 2), torch.arange(4)))),
        (nn.Linear(2, 2), nn.Linear(2, 2)),
        (torch.tensor(1.0).double(), torch.tensor(1.0).double() + 1e-12),
        (torch.ones(2), torch.ones(2, dtype=torch.bfloat16)),
    ],
)
def test_settings_that_differ_have_another_identity(first, second):
    assert identity(first) != identity(second)
    assert identity(first) == identity(copy.deepcopy(first))


def test_seeds_and_what_was_drawn_are_no_settings():
    used = MixUp(0.4, seed=3)
    used(torch.rand(4, 2), torch.arange(4))
    assert identity(MixUp(0.4)) == identity(used)


def test_a_notebook_shows_the_answer_above_the_rows():
    frame = compare(data, model, ARMS, seeds=2, epochs=1, lr=0.03)
    html = frame._repr_html_()
    first = html.index(escape(frame.attrs["answer"][0]))
    assert first < html.index("<th>difference</th>") < html.index("<details><summary>4 runs<")
    assert html.count("<tr>") == len(frame.attrs["differences"]) + 1 + 4
    rows = frame[frame["mix"] == "mixup"]
    assert type(rows) is pd.DataFrame
    assert len(rows) == 2
    with pd.option_context("display.notebook_repr_html", False):
        assert frame._repr_html_() is None
