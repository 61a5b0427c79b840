"""Settings for all tests: those in tests/, and the examples in docstrings and pages."""

import gc
import os
import signal
import tempfile

# Of two processes that test at once, each has one of two processors: before torch is loaded.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported

import pytest
import torch
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from vicinal import rng
from vicinal.data.digits import digits
from vicinal.files import write_file

# Enough for every run; pytest --hypothesis-profile=default tries 100 examples of each.
settings.register_profile("short", max_examples=12, deadline=None)
settings.load_profile("short")
# It reads all of our source for constants to try: five seconds in each process.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants


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


@pytest.fixture
def blank_pictures(monkeypatch):
    """The pictures that a run leaves are empty files: to draw them takes longer than to train.

    For tests of other things; those in tests/test_cli.py and tests/test_kinds.py draw them.
    """
    monkeypatch.setattr("vicinal.runs._save_figure", lambda figure, file: write_file(file, b""))


@pytest.fixture
def few_digits(monkeypatch):
    """A ninth of scikit-learn's digits, where it does not matter how well they are learnt."""
    images, labels = digits()
    monkeypatch.setattr("vicinal.data.finders.digits", lambda: (images[:200], labels[:200]))


@pytest.fixture
def blank_figures(monkeypatch):
    """The figures of a comparison's report are empty: to draw them takes longer than to train.

    For tests of other things; those in tests/study/test_page.py and test_figures.py draw them.
    """
    monkeypatch.setattr("vicinal.study.report.svg", lambda draw, name: "<svg></svg>")


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
