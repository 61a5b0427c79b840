"""What a process of ours does with its memory."""

import gc
import importlib
import subprocess
import sys

import pytest

from vicinal.memory import loading

FAULTS = """
import resource, sys
import torch
from vicinal.memory import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("not glibc")
for _ in range(10):
    torch.ones(16 * 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(16 * 2**20)  # 64 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(action):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, action], capture_output=True, text=True, check=False
    )
    if "not glibc" in done.stderr:
        pytest.skip("another C library")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_pages_come_in_once():
    left = faults("leave")
    assert left >= 20 * 32  # at the least in huge pages of 2 MB
    assert faults("keep") < left / 4


def test_no_garbage_is_looked_for_while_libraries_are_imported():
    with loading():
        assert not gc.isenabled()
    frozen = gc.get_freeze_count()
    assert gc.isenabled()
    assert frozen > 1000
    with loading():  # once in a process
        kept = [[] for _ in range(10_000)]
    assert gc.get_freeze_count() <= frozen
    assert len(kept) == 10_000


def test_garbage_is_looked_for_again_where_a_library_is_missing():
    with pytest.raises(ModuleNotFoundError), loading():
        importlib.import_module("no_such_library")
    assert gc.isenabled()
