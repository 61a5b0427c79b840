"""A comparison on a Ray cluster of this machine, one node of which is killed."""

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pandas as pd
import psutil
import pytest

from vicinal.study.cluster import _task

pytest.importorskip("ray", reason="Ray is not installed: pip install 'vicinal[ray]'")
pytestmark = pytest.mark.slow

SMALL = {"object_store_memory": 80 * 2**20}
ARGUMENTS = ["rows.csv", "--mix", "none,mixup", "--epochs", "30", "--seeds", "2"]
TIMES = ["seconds", "samples_per_second"]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    frame = pd.DataFrame({"a": range(4000), "b": [i % 7 for i in range(4000)]})
    frame["label"] = ["yes" if i % 7 > 3 else "no" for i in range(4000)]
    frame.to_csv("rows.csv", index=False)


@pytest.fixture
def cluster(rows):
    """A head without processors, which the driver uses, and two nodes of one processor."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL}
    )
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    try:
        made.workers = [made.add_node(num_cpus=1, memory=4 * 10**9, **SMALL) for _ in range(2)]
        yield made
    finally:
        made.shutdown()
        for pid in before:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).wait(30)


def compare(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "vicinal", "compare", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


def wait_for(found, process):
    until = time.monotonic() + 120
    while not found() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert found(), process.communicate(timeout=60)


def results(folder):
    return pd.read_csv(folder / "runs.csv").drop(columns=TIMES)


def test_a_killed_node_changes_no_bit(cluster, tmp_path):
    process = compare(*ARGUMENTS, "--ray", cluster.address, "--out", "ray")
    folder = tmp_path / "ray" / "results"
    wait_for(lambda: len(list(folder.glob("*.checkpoint"))) == 2, process)
    cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
    text = finished(process)
    assert re.search(r"ray: +2 nodes, up to 2 runs at once, each with 1 thread on 1 proc", text)
    assert re.search(r"lost: .*, 30 epochs, seed \d: its node was lost; it is sent to an", text)
    assert "run 4 of 4" in text
    assert "raylet" not in text  # Ray's own pages on it
    assert {file.suffix for file in folder.iterdir()} <= {".result", ".lock"}
    finished(compare(*ARGUMENTS, "--out", "local"))
    pd.testing.assert_frame_equal(
        results(tmp_path / "ray"), results(tmp_path / "local"), check_exact=True
    )


def test_begun_on_ray_stopped_and_finished_here(cluster, tmp_path):
    process = compare(*ARGUMENTS, "--ray", cluster.address, "--out", "ray")
    folder = tmp_path / "ray" / "results"
    wait_for(lambda: len(list(folder.glob("*.checkpoint"))) == 2, process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert time.monotonic() - began < 40
    assert list(folder.glob("*.checkpoint"))
    finished(compare("rows.csv", "--resume", "--out", "ray"))
    finished(compare(*ARGUMENTS, "--seeds", "1", "--out", "mixed"))
    finished(
        compare("rows.csv", "--resume", "--seeds", "2", "--ray", cluster.address, "--out", "mixed")
    )
    pd.testing.assert_frame_equal(
        results(tmp_path / "ray"), results(tmp_path / "mixed"), check_exact=True
    )


def test_what_is_sent_can_be_read_without_vicinal(tmp_path):
    """So that a node that lacks it can say so."""
    from ray import cloudpickle

    (tmp_path / "task").write_bytes(cloudpickle.dumps(_task()))
    code = (
        "import pickle, sys; sys.modules['vicinal'] = None; "
        f"print(pickle.load(open({str(tmp_path / 'task')!r}, 'rb'))({{'vicinal': '1'}}, b'', ''))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot import vicinal" in ran.stdout, ran.stderr
