import numpy as np
from sklearn.datasets import load_digits

from vicinal.data import digits as file
from vicinal.data.digits import digits


def test_they_are_those_of_scikit_learn(monkeypatch):
    expected = load_digits()
    for _ in range(2):
        images, labels = digits()
        np.testing.assert_array_equal(images, expected.images)
        np.testing.assert_array_equal(labels, expected.target)
        assert labels.dtype == expected.target.dtype
        monkeypatch.setattr(file, "FILE", "elsewhere.csv.gz")  # as in a version to come
