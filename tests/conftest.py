"""Settings for all tests."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _global_generator_stays_where_it_is():
    """No test may depend on what another one drew."""
    torch.manual_seed(0)


def pytest_configure():
    torch.set_num_threads(2)
