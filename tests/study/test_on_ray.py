"""The runs of a comparison as tasks on a cluster that may lose them."""

from types import SimpleNamespace

import pytest

from vicinal import VicinalError
from vicinal.progress import progress_bar
from vicinal.study import on_ray
from vicinal.study.arms import Arm
from vicinal.study.cluster import Lost, Need
from vicinal.study.on_ray import LOSSES, RayRunner
from vicinal.study.result import Result
from vicinal.study.runner import Runner
from vicinal.study.store import ResultStore

NONE, MIXUP = Arm("none", None, 3, mixes=False), Arm("mixup", 0.4, 3)
RUNS = [(arm, seed) for seed in range(2) for arm in (NONE, MIXUP)]
DONE = "done"


class FakeCluster:
    """Runs end in the order in which they were sent, as it is told."""

    need, job = Need(1, 0, 10**9), SimpleNamespace(token=".token.seen")

    def __init__(self, results, outcomes=(), shared=True, nodes=({"CPU": 1.0, "memory": 2e9},)):
        self.results, self.outcomes, self.shared = results, dict(outcomes), shared
        self.sent, self.cancelled, self.resources = [], [], list(nodes)

    def begin(self, deadline):
        self.token_was_there = (self.results.folder / self.job.token).exists()

    def submit(self, arm, seed, seconds):
        self.sent.append((arm, seed))
        return len(self.sent) - 1

    def wait(self, handles, seconds):
        return [handle for handle in handles if self._outcome(handle) is not None][:1]

    def _outcome(self, handle):
        """None where it hangs."""
        return next(iter(self.outcomes.get(self.sent[handle], [DONE])), None)

    def get(self, handle):
        arm, seed = self.sent[handle]
        outcome = self._outcome(handle)
        self.outcomes.get((arm, seed), [DONE]).pop(0)
        if outcome != DONE:
            if isinstance(outcome, Exception):
                raise outcome
            return None  # no time
        made = next(each for each in (NONE, MIXUP) if each.name == arm)
        file = self.results.file(made, seed, ".result")
        if not self.shared:
            file = file.with_name("elsewhere")
        Result(arm, seed, failed="as a test", settings="s").save(file)
        return file.read_bytes()

    def reports(self):
        open_runs = [run for run in self.sent if self.resources]
        return dict.fromkeys(open_runs, ("a (10.0.0.1)", self.shared, "", 1.0))

    def cancel(self, handles, seconds):
        self.cancelled = [self.sent[handle] for handle in handles]

    def nodes(self):
        return self.resources

    def room(self):
        return sum(map(self.need.fits, self.resources))


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path, lambda arm: "s")


@pytest.fixture
def lines():
    return []


@pytest.fixture
def runner(store, lines):
    def make(outcomes=(), **options):
        def log(name, text):
            lines.append(f"{name}: {text}")

        times = {name: options.pop(name) for name in ("deadline", "done") if name in options}
        cluster = FakeCluster(store, outcomes, **options)
        return RayRunner(cluster, log, RUNS, None, store, bar=progress_bar(), **times)

    return make


def seeds(results):
    return [(result.arm, result.seed) for result in results]


ALL = [(arm.name, seed) for arm, seed in RUNS]


@pytest.mark.parametrize("shared", [True, False])
def test_all_are_done_and_stored(runner, store, lines, shared):
    calls = []
    ray = runner(shared=shared, done=lambda result, count, new: calls.append((count, new)))
    assert seeds(ray.run()) == ALL
    assert calls == [(1, True), (2, True), (3, True), (4, True)]
    assert all(store.has(*run) for run in RUNS)
    assert ray.cluster.token_was_there
    assert not list(store.folder.glob(".*seen"))
    assert len(lines) == (not shared)  # once for the node, not for each of its runs
    assert all("node a (10.0.0.1) does not see" in line for line in lines)


def test_what_was_done_before_is_not_sent(runner, store):
    for run in RUNS[:3]:
        store.save(run[0], Result(run[0].name, run[1], failed="before"))
    ray = runner()
    assert seeds(ray.run()) == ALL
    assert ray.cluster.sent == ALL[3:]


def test_the_local_way_goes_on_from_it(runner, store):
    runner().run()
    assert seeds(Runner(RUNS, None, store, bar=progress_bar()).run()) == ALL


def test_a_lost_run_is_sent_again(runner, store, lines):
    lock = store.file(*RUNS[1], ".lock")
    lock.touch()  # a file server may keep it
    ray = runner({ALL[1]: [Lost("its node was lost"), DONE]})
    assert sorted(seeds(ray.run())) == sorted(ALL)
    assert ray.cluster.sent == [*ALL, ALL[1]]
    assert not lock.exists()
    assert lines == [
        "lost: mixup α = 0.4, 3 epochs, seed 0: its node was lost; it is sent to another one"
    ]


def test_a_run_that_is_lost_every_time_ends_the_comparison(runner):
    ray = runner({ALL[1]: [Lost("its node ran out of memory")] * 99})
    with pytest.raises(VicinalError, match=r"lost 6 times \(its node ran out of memory\): go on"):
        ray.run()
    assert ray.cluster.sent.count(ALL[1]) == LOSSES + 1
    assert ALL[1] not in seeds(ray.results)


@pytest.mark.parametrize("error", [VicinalError("other data"), RuntimeError("a bug")])
def test_a_run_that_fails_is_not_sent_again(runner, store, error):
    ray = runner({ALL[1]: [error]})
    with pytest.raises(type(error), match=str(error)):
        ray.run()
    assert ray.cluster.sent == ALL
    assert ray.cluster.cancelled == ALL[2:]
    assert ALL[1] not in seeds(ray.results)
    assert not store.has(*RUNS[1])
    assert not list(store.folder.glob(".*seen"))


def test_a_run_without_time_is_left_out(runner):
    assert seeds(runner({ALL[1]: ["no time"]}).run()) == [ALL[0], *ALL[2:]]


def test_at_the_deadline_the_others_are_cancelled(runner):
    ray = runner({run: [None] for run in ALL}, deadline=0.0)
    assert ray.run() == []
    assert ray.cluster.cancelled == ALL


def test_after_ctrl_c_the_others_are_cancelled_and_what_just_ended_is_kept(runner, monkeypatch):
    ray = runner({run: [None] for run in ALL[1:]})

    def look():
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "_look", look)
    with pytest.raises(KeyboardInterrupt):
        ray.run()
    assert ray.cluster.cancelled == ALL
    assert seeds(ray.results) == ALL[:1]


class TestRoom:
    def test_nodes_that_are_too_small_are_refused_at_once(self, runner, monkeypatch):
        small = [{"CPU": 4.0, "memory": 5e8}]
        ray = runner({run: [None] for run in ALL}, nodes=small)
        monkeypatch.setattr(ray.cluster, "reports", dict)
        sentence = r"no node of the cluster has 1 processor and 1\.0 GB of memory"
        with pytest.raises(VicinalError, match=sentence):
            ray.run()
        assert ray.cluster.cancelled == ALL

    def test_a_cluster_without_nodes_is_waited_for(self, runner, lines, monkeypatch):
        """It may start them only now."""
        ray = runner({run: [None] for run in ALL}, nodes=[])
        looks = []

        def reports():
            looks.append(1)
            if len(looks) == 3:
                ray.cluster.resources.append({"CPU": 1.0, "memory": 2e9})
                ray.cluster.outcomes.clear()
            return {}

        monkeypatch.setattr(ray.cluster, "reports", reports)
        assert seeds(ray.run()) == ALL
        assert len(lines) == 1
        assert lines[0].startswith("waiting: no node of the cluster has 1 processor")

    def test_but_not_for_ever(self, runner, monkeypatch):
        monkeypatch.setattr(on_ray, "PATIENCE", 0.01)
        with pytest.raises(VicinalError, match="and none came: add one, and go on with --resume"):
            runner({run: [None] for run in ALL}, nodes=[]).run()

    def test_a_cluster_that_is_busy_is_said_once(self, runner, lines, monkeypatch):
        monkeypatch.setattr(on_ray, "BUSY", 0.0)
        ray = runner({run: [None] for run in ALL})
        looks = []

        def reports():
            looks.append(1)
            if len(looks) == 5:
                ray.cluster.outcomes.clear()
            return {}

        monkeypatch.setattr(ray.cluster, "reports", reports)
        assert seeds(ray.run()) == ALL
        assert lines == ["waiting: others use what a run needs: 1 processor and 1.0 GB of memory"]


def test_the_bar_shows_what_runs_where(runner):
    ray = runner()
    ray.task = ray.bar.add_task("", total=12)
    ray.sent = dict(enumerate(RUNS))
    running = {(arm.name, seed): arm for arm, seed in RUNS}
    ray._show({ALL[1]: ("a", True, "mixup α = 0.4, seed 0, epoch 3/3", 2.5)}, running)
    whole, one = ray.bar.tasks
    assert (whole.description, whole.completed) == ("1 of 4 runs under way", 2.5)
    assert one.description == "mixup α = 0.4, seed 0, epoch 3/3 on a"
    assert (one.completed, one.total) == (2.5, 3)
    ray._show({}, running)
    assert len(ray.bar.tasks) == 1
