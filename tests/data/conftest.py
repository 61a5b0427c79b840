"""Settings for the tests of the data."""

import pytest


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No hub is contacted, and caches and data sets are in the test's own folder."""
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("VICINAL_DATA", str(tmp_path / "known"))
