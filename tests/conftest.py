"""Settings for all tests."""

import gc
import os
import signal
import tempfile

# Of two processes that test at once, each has one of two processors: before torch is loaded.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import settings

from vicinal import rng

# Enough for every run; pytest --hypothesis-profile=default tries 100 examples of each.
settings.register_profile("short", max_examples=12, deadline=None)
settings.load_profile("short")


@pytest.fixture(autouse=True)
def _global_generator_stays_where_it_is():
    """No test may depend on what another one drew, or on how many mixers it left without a seed."""
    # torch.manual_seed also notes the stack for CUDA, which takes as long as many a test.
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)
    rng._FIRST_USES = rng._FirstUses()


@pytest.fixture(autouse=True)
def _as_many_threads_as_before():
    """With more threads than processors, the trainings of all later tests would be slow."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def _a_cache_of_their_own():
    """Tests neither use nor fill the user's cache."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_CACHE", folder)
        yield


def pytest_configure():
    # A shell that starts pytest in the background has it ignore Ctrl-C, which tests send.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(min(2, torch.get_num_threads()))  # OMP_NUM_THREADS may say 1


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected stays to the end: Python need not look for garbage in it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
