"""Two processes that train one network, over gloo, as torchrun and accelerate start them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import in_processes
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from two_processes import launch
from vicinal.cli import run
from vicinal.processes import default_device

SCRIPT = Path(in_processes.__file__)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of the main process, and of the other one."""
    folder = tmp_path_factory.mktemp("two")
    done = launch(SCRIPT, folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


def of(results, name):
    return [each[name] for each in results]


class TestTheData:
    def test_every_training_sample_comes_once_an_epoch(self, results):
        (epochs, _, batches), (other_epochs, _, other_batches) = of(results, "order")
        assert batches == other_batches == in_processes.TRAIN // 16
        for own, others in zip(epochs, other_epochs, strict=True):
            assert len(own) == len(others) == 8 * batches
            assert len({*own, *others}) == 16 * batches
        assert epochs[0] != epochs[1]

    def test_batches_are_rows_of_those_of_one_process(self, results):
        (epochs, _, _), (other_epochs, _, _) = of(results, "order")
        alone = in_processes.numbers(in_processes.data(16).train)
        together = [torch.tensor(own).view(-1, 8) for own in (epochs[0], other_epochs[0])]
        assert torch.cat(together, dim=1).flatten().tolist() == alone

    def test_every_validation_sample_comes_once(self, results):
        (_, own, _), (_, others, _) = of(results, "order")
        assert own + others == list(range(in_processes.TRAIN, 137))

    @pytest.mark.parametrize("name", ["mixed", "mixed_without_seed", "changed"])
    def test_changes_and_mixes_differ(self, results, name):
        own, others = of(results, name)
        assert own.shape == others.shape
        assert not own.equal(others)


class TestTheTraining:
    def test_is_that_of_one_process_with_the_whole_batch(self, results):
        history, weights = in_processes.as_one(1)
        for each, own in of(results, "as_one"):
            for row, expected in zip(each, history, strict=True):
                assert row == pytest.approx(expected, rel=1e-5)
            for name, weight in weights.items():
                torch.testing.assert_close(own[name], weight, rtol=1e-4, atol=1e-6)

    def test_gives_every_process_the_same_network(self, results):
        own, others = of(results, "batch_norm")
        for name, weight in own["weights"].items():
            assert weight.equal(others["weights"][name]), name

    def test_metrics_are_those_of_the_whole_validation_part(self, results):
        own, others = of(results, "batch_norm")
        assert own["validated"] == others["validated"]
        assert own["validated"] == pytest.approx({
            name: own["row"][name] for name in ("valid_loss", "valid_accuracy", "valid_f1_score")
        })  # fmt: skip
        right = own["probabilities"].argmax(dim=1) == own["targets"]
        assert own["validated"]["valid_accuracy"] == pytest.approx(right.float().mean().item())
        f1 = f1_score(own["targets"], own["probabilities"].argmax(dim=1), average="macro")
        assert own["validated"]["valid_f1_score"] == pytest.approx(f1)

    def test_predictions_are_whole_and_in_order(self, results):
        for each in of(results, "batch_norm"):
            expected = torch.cat([y for _, y in in_processes.data(8).valid])
            assert each["targets"].equal(expected)
            assert each["probabilities"].shape == (37, 3)

    def test_the_least_confident_of_all_samples_are_averaged_over_views(self, results):
        expected, targets = in_processes.averaged()
        for probabilities, labels in of(results, "averaged"):
            torch.testing.assert_close(probabilities, expected)
            assert labels.equal(targets)

    def test_all_find_the_same(self, results):
        own, others = of(results, "batch_norm")
        assert own["worst"] == others["worst"]
        assert own["rate"] == others["rate"]

    def test_predictions_are_rescaled_by_the_means_of_all_samples(self, results):
        own, others = of(results, "remedies")
        expected = torch.cat([x for x, _ in in_processes.data(16).train]).mean(0)
        torch.testing.assert_close(own["mean"], expected)
        assert own["mean"].equal(others["mean"])
        assert own["probabilities"].equal(others["probabilities"])

    def test_clean_samples_beside_mixed_ones_give_the_same_network(self, results):
        own, others = of(results, "remedies")
        for name, weight in own["weights"].items():
            assert weight.equal(others["weights"][name]), name

    def test_only_the_main_process_prints(self, results):
        own, others = of(results, "printed")
        assert "valid_accuracy" in own
        assert not others

    def test_too_few_samples_for_all_processes(self, results):
        for each in of(results, "too_many"):
            assert "2 processes with batches of 60 need 120 training samples, not 100" in each


@pytest.mark.parametrize(("use_cpu", "device"), [("true", "cpu"), ("false", "cuda")])
def test_accelerate_may_choose_the_cpu(monkeypatch, use_cpu, device):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setenv("ACCELERATE_USE_CPU", use_cpu)
    assert default_device() == torch.device(device)


ARGUMENTS = ["-m", "vicinal", "train", "digits", "--batch-size", "64", "--epochs", "3"]
DIES = """
import os, signal
from vicinal.learner import recorder
from vicinal.__main__ import main

def die(self, learn, ended=recorder.Recorder.after_train):
    ended(self, learn)
    if learn.epoch == 1:
        os.kill(os.getppid(), signal.SIGKILL), os.kill(os.getpid(), signal.SIGKILL)

recorder.Recorder.after_train = die
main()
"""
ENDS = """
import atexit, os

def print_threads():  # what is registered first runs last
    tasks = "/proc/self/task"
    names = [open(f"{tasks}/{each}/comm").read().strip() for each in os.listdir(tasks)]
    print("threads at the end:", *names)

atexit.register(print_threads)
from vicinal.__main__ import main
main()
"""


class TestARun:
    @pytest.mark.slow
    def test_with_too_few_samples_is_refused_in_one_sentence(self, tmp_path):
        too_many = ["-m", "vicinal", "train", "digits", "--batch-size", "1000", "--out", "out"]
        done = launch(*too_many, cwd=tmp_path)
        assert done.returncode != 0
        assert "2 processes with batches of 1000 need 2000 training samples" in done.stderr
        assert "StopIteration" not in done.stderr
        assert not (tmp_path / "out").exists()

    @pytest.mark.slow
    def test_that_is_killed_resumes_as_if_it_had_not_been(self, tmp_path, monkeypatch, capsys):
        started = []
        for out, script in (("whole", ENDS), ("killed", DIES)):
            (tmp_path / f"{out}.py").write_text(script)
            started.append([f"{out}.py", *ARGUMENTS[2:], "--out", out])
        with ThreadPoolExecutor() as at_once:
            whole, killed = at_once.map(lambda each: launch(*each, cwd=tmp_path), started)
        assert whole.returncode == 0, whole.stderr
        assert whole.stdout.count("saved to whole") == 1
        assert "processes:      2, each with batches of its own" in whole.stdout
        # Threads of the group abort a process whose interpreter ends before them.
        assert whole.stdout.count("threads at the end") == 2
        assert "gloo" not in whole.stdout
        assert killed.returncode
        assert not (tmp_path / "killed" / "model.safetensors").exists()
        monkeypatch.chdir(tmp_path)
        assert run([*ARGUMENTS[2:], "--resume", "--out", "killed"]) == 2
        sentence = "of a training on 2 processes, not on 1: start as many"
        assert sentence in capsys.readouterr().err
        resumed = launch(*ARGUMENTS, "--resume", "--out", "killed", cwd=tmp_path)
        assert "resumed:        after epoch 1" in resumed.stdout, resumed.stderr
        first, second = (
            load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed")
        )
        assert all(torch.equal(first[name], second[name]) for name in first)

    @pytest.mark.slow
    def test_bad_input_is_reported_once(self, tmp_path):
        done = launch("-m", "vicinal", "train", "nosuch", cwd=tmp_path)
        assert done.returncode
        assert done.stderr.count("vicinal: ") == 1
