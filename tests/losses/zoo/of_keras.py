"""Keras' losses on its torch backend."""

import functools
import os
from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "keras"
os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported


def names() -> dict[str, Any]:
    import keras.losses

    return names_with(keras.losses)


def public() -> set[str]:
    import keras.losses

    return public_of(keras.losses)


def _backwards(loss: Any, output: Any, target: Any) -> Any:
    return loss(target, output)


def _circle(loss: Any, output: Any, target: Any) -> Any:
    return loss(target, output, ref_labels=target, ref_embeddings=output)


_Loss = functools.partial(Loss, call=_backwards, by_mix_loss=False)
LOSSES = [
    _Loss("SparseCategoricalCrossentropy(from_logits=True)", "classes"),
    _Loss("SparseCategoricalCrossentropy()", "probabilities"),
    _Loss("SparseCategoricalCrossentropy(ignore_class=2)", "probabilities"),
    _Loss("CategoricalCrossentropy(label_smoothing=0.1)", "one-hot probabilities"),
    _Loss("CategoricalFocalCrossentropy()", "one-hot probabilities"),
    _Loss("CategoricalGeneralizedCrossEntropy()", "probabilities"),
    _Loss("CategoricalHinge()", "one-hot"),
    _Loss("BinaryCrossentropy(from_logits=True)", "labels"),
    _Loss("BinaryCrossentropy(label_smoothing=0.1)", "probability of yes, a column"),
    _Loss("BinaryFocalCrossentropy()", "probabilities of labels"),
    _Loss("Hinge()", "signs"),
    _Loss("SquaredHinge()", "signs"),
    _Loss("MeanSquaredError()", "values"),
    _Loss("MeanAbsoluteError()", "values"),
    _Loss("MeanAbsolutePercentageError()", "positive values"),
    _Loss("MeanSquaredLogarithmicError()", "positive values"),
    _Loss("Huber()", "values"),
    _Loss("LogCosh()", "values"),
    _Loss("CosineSimilarity()", "values"),
    _Loss("Poisson()", "positive values"),
    _Loss("KLDivergence()", "one-hot probabilities"),
    _Loss("Dice()", "probabilities of binary masks", "of the whole batch"),
    _Loss("Tversky()", "probabilities of binary masks", "of the whole batch"),
    _Loss("Dice(axis=(1, 2, 3))", "probabilities of one-hot masks"),
    _Loss("Circle()", "classes", "of pairs of samples"),
    _Loss("CTC()", "spelt words"),
    _Loss("sparse_categorical_crossentropy", "probabilities"),
    _Loss("categorical_crossentropy", "one-hot probabilities"),
    _Loss("categorical_focal_crossentropy", "one-hot probabilities"),
    _Loss("categorical_generalized_cross_entropy", "probabilities", settings="q=0.7"),
    _Loss("categorical_hinge", "one-hot"),
    _Loss("binary_crossentropy", "probabilities of labels"),
    _Loss("binary_focal_crossentropy", "probabilities of labels"),
    _Loss("hinge", "signs"),
    _Loss("squared_hinge", "signs"),
    _Loss("mean_squared_error", "values"),
    _Loss("mean_absolute_error", "values"),
    _Loss("mean_absolute_percentage_error", "positive values"),
    _Loss("mean_squared_logarithmic_error", "positive values"),
    _Loss("huber", "values"),
    _Loss("log_cosh", "values"),
    _Loss("cosine_similarity", "values"),
    _Loss("poisson", "positive values"),
    _Loss("kl_divergence", "one-hot probabilities"),
    _Loss("dice", "probabilities of binary masks", "of the whole batch"),
    _Loss("tversky", "probabilities of binary masks", "of the whole batch"),
    Loss("circle", "classes", "of pairs of samples", call=_circle, by_mix_loss=False),
    _Loss("ctc", "spelt words"),
]
NOT_APPLICABLE = dict.fromkeys(("Loss", "deserialize", "get", "serialize"), "no loss")
