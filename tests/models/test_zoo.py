"""Networks by name."""

import pytest

from vicinal.models.zoo import OWN, count_parameters, create_model


@pytest.mark.parametrize("name", [*OWN, "mobilenetv3_small_050"])
def test_parameters_are_counted_without_memory_for_them(name):
    built = sum(parameter.numel() for parameter in create_model(name, 7).parameters())
    assert count_parameters(name, 7) == built
