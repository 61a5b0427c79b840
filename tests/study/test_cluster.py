"""What a Ray cluster is asked, and what it answers; a real one is in test_ray_cluster.py."""

import socket
import sys
from types import SimpleNamespace

import pytest
import torch

from vicinal import VicinalError, __version__
from vicinal.study import cluster as module
from vicinal.study.cluster import Lost, Need, RayCluster, _board, _task, check_answers


class RayError(Exception):
    pass


ERRORS = (
    *("NodeDiedError", "LocalRayletDiedError", "WorkerCrashedError", "OutOfMemoryError"),
    *("ObjectLostError", "TaskCancelledError", "RuntimeEnvSetupError"),
)


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__("a long traceback")
        self.cause = cause


class FakeRay:
    """Tasks are what they return or raise."""

    def __init__(self, nodes=()):
        kinds = {name: type(name, (RayError,), {}) for name in ERRORS}
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, **kinds)
        self._private = SimpleNamespace(worker=SimpleNamespace())
        self.resources, self.dead = list(nodes), [{"CPU": 64.0, "memory": 1e12}]

    def init(self, address, **_):
        self.address = address

    def nodes(self):
        alive = [{"Alive": True, "Resources": each} for each in self.resources]
        return [*alive, *({"Alive": False, "Resources": each} for each in self.dead)]

    def get(self, task):
        if isinstance(task, Exception):
            raise task
        return task


@pytest.fixture
def connected(monkeypatch):
    def connect(*nodes):
        monkeypatch.setattr(module, "import_ray", lambda: FakeRay(nodes))
        monkeypatch.setattr(module, "check_answers", lambda address: None)
        return RayCluster("10.0.0.1:6379")

    return connect


class TestConnecting:
    def test_without_ray(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(VicinalError, match=r"^--ray needs Ray: pip install 'vicinal\[ray\]'$"):
            RayCluster("auto")

    @pytest.mark.parametrize("address", ["nowhere", "10.0.0.1", "ray://", "ray://head:x", ":1"])
    def test_what_is_no_address(self, address):
        with pytest.raises(VicinalError, match=rf"--ray takes auto or an address, .*{address}$"):
            check_answers(address)

    def test_one_machine_has_jobs(self):
        with pytest.raises(VicinalError, match="--jobs"):
            check_answers("local")

    def test_where_nothing_listens(self, monkeypatch):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            port = taken.getsockname()[1]
            for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
                with pytest.raises(VicinalError, match=rf"--ray {address} cannot be reached \("):
                    check_answers(address)
            monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
            with pytest.raises(VicinalError, match=rf"--ray auto \(127\.0\.0\.1:{port}\) cannot"):
                check_answers("auto")

    def test_auto_on_a_machine_whose_cluster_is_gone(self, tmp_path, monkeypatch):
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        check_answers("auto")  # Ray says that there is none
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            (tmp_path / "ray").mkdir()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            (tmp_path / "ray" / "ray_current_cluster").write_text(address)
            with pytest.raises(VicinalError, match=rf"--ray auto \({address}\) cannot be reached"):
                check_answers("auto")

    def test_what_listens_but_is_no_ray_is_given_up(self, monkeypatch):
        fake = FakeRay()
        fake.init = lambda **_: __import__("time").sleep(0.5)
        monkeypatch.setattr(module, "import_ray", lambda: fake)
        monkeypatch.setattr(module, "CONNECT", 0.01)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(VicinalError, match="is not answered by a Ray cluster within 0 s"):
                RayCluster(f"127.0.0.1:{port}")

    def test_what_ray_says_is_one_sentence(self, monkeypatch):
        fake = FakeRay()

        def init(**_):
            raise ConnectionError("Could not find\nany running Ray instance. Please specify")

        fake.init = init
        monkeypatch.setattr(module, "import_ray", lambda: fake)
        monkeypatch.setattr(module, "check_answers", lambda address: None)
        with pytest.raises(VicinalError, match="auto: Could not find any running Ray instance: st"):
            RayCluster("auto")


class TestNeed:
    @pytest.mark.parametrize(
        ("resources", "runs"),
        [
            ({"CPU": 8.0, "memory": 9e9}, 4),
            ({"CPU": 8.0, "memory": 1.5e9}, 1),
            ({"CPU": 1.0, "memory": 9e9}, 0),
            ({"memory": 9e9}, 0),
        ],
    )
    def test_how_many_fit(self, resources, runs):
        assert Need(2, 0, 10**9).fits(resources) == runs
        assert Need(2, 1, 10**9).fits(resources) == 0
        assert Need(2, 1, 10**9).fits({**resources, "GPU": 1.0}) == min(runs, 1)

    @pytest.mark.parametrize(
        ("nodes", "threads", "expected"),
        [
            ([(8, 0), (4, 0)], 2, (2, 0, 2)),
            ([(8, 0), (4, 0)], 16, (8, 0, 8)),
            ([], 4, (4, 0, 4)),
            ([(0, 0), (16, 4)], 16, (4, 1, 4)),
            ([(16, 4), (64, 0)], 2, (2, 1, 2)),
        ],
    )
    def test_what_a_run_gets(self, connected, monkeypatch, nodes, threads, expected):
        monkeypatch.setattr(module, "can_use_gpus", lambda: True)
        resources = [{"CPU": float(c), "GPU": float(g), "memory": 1e12} for c, g in nodes]
        cluster = connected(*resources)
        jobs = cluster.plan(lambda threads, gpu: SimpleNamespace(threads=threads, gpu=gpu), threads)
        need = cluster.need
        assert (need.cpus, need.gpus, cluster.job.threads) == expected
        assert cluster.job.gpu == bool(need.gpus)
        assert need.memory > 10**8
        assert jobs == max(1, sum(min(c // expected[0], g if expected[1] else c) for c, g in nodes))

    def test_gpus_are_left_where_torch_has_none(self, connected, monkeypatch):
        monkeypatch.setattr(module, "can_use_gpus", lambda: False)
        cluster = connected({"CPU": 16.0, "GPU": 4.0, "memory": 1e12})
        cluster.plan(lambda threads, gpu: SimpleNamespace(threads=threads, gpu=gpu), 2)
        assert (cluster.need.gpus, cluster.job.gpu) == (0, False)
        assert "1 node, up to 8 runs at once, each with 2 threads on 2 proc" in cluster.describe()


class TestOutcomes:
    def test_of_a_run_that_ended(self, connected):
        assert connected().get(("", b"result")) == b"result"
        with pytest.raises(VicinalError, match="node a has torch 1"):
            connected().get(("node a has torch 1", None))

    @pytest.mark.parametrize("name", ERRORS)
    def test_of_a_run_that_was_lost(self, connected, name):
        cluster = connected()
        with pytest.raises(Lost):
            cluster.get(getattr(cluster.ray.exceptions, name)("Something. And more."))

    def test_of_a_run_that_failed(self, connected):
        with pytest.raises(VicinalError, match="one sentence"):
            connected().get(RayTaskError(VicinalError("one sentence")))
        with pytest.raises(RayTaskError):  # with the traceback of the node
            connected().get(RayTaskError(ZeroDivisionError("a bug")))


class TestTask:
    """What is sent as code, and must not need vicinal to be read."""

    @pytest.fixture(autouse=True)
    def _ray(self, monkeypatch):
        address = SimpleNamespace(get_node_ip_address=lambda: "10.0.0.3")
        monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(util=address))

    def test_a_node_with_other_versions(self):
        here = torch.__version__.partition("+")[0]
        refused, _ = _task()({"vicinal": __version__, "torch": "1.0"}, b"", "do_run")
        assert refused == (
            f"node {socket.gethostname()} (10.0.0.3) has torch {here}, and this machine 1.0: "
            "install the same version on all nodes"
        )

    def test_a_node_without_vicinal(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "vicinal", None)
        refused, _ = _task()({"vicinal": __version__}, b"", "do_run")
        assert refused.startswith(f"node {socket.gethostname()} (10.0.0.3) cannot import vicinal")
        assert f"install vicinal[train,ray] {__version__}" in refused

    def test_a_node_with_the_same_versions_does_it(self, monkeypatch):
        called = []
        monkeypatch.setattr(
            "vicinal.study.ray_worker.try_run", lambda *arguments: called.append(arguments) or 5
        )
        assert _task()(module._versions(), b"job", "try_run", "none-1") == ("", 5)
        assert called == [(b"job", f"{socket.gethostname()} (10.0.0.3)", "none-1")]


def test_runs_report_and_are_told_whether_there_is_time():
    board = _board()(100.0)
    assert not board.begin("none-1", 0, "a", True, 101.0)
    assert board.begin("none-1", 0, "a", True, 50.0)
    board.report("none-1", 0, "epoch 1", 0.5)
    assert board.reports() == {("none-1", 0): ("a", True, "epoch 1", 0.5)}
    board.forget("none-1", 0)
    board.report("none-1", 0, "the last of a lost node", 0.9)
    assert board.reports() == {}
    assert _board()(None).begin("none-1", 0, "a", True, 1e9)


def test_a_run_that_is_sent_again_is_not_under_way(connected, monkeypatch):
    """Else nobody would see that it waits for a node."""
    cluster, calls = connected(), []
    forget = SimpleNamespace(remote=lambda *run: calls.append(("forget", *run)))
    cluster.board = SimpleNamespace(forget=forget)
    monkeypatch.setattr(cluster, "_send", lambda *sent: calls.append(sent))
    cluster.submit("none-1", 0, 5.0)
    assert calls == [("forget", "none-1", 0), ("do_run", "none-1", 0, cluster.board, 5.0)]
