"""Probabilities, the best classes of an image, and the errors and the loss of a classifier."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray

BEST = 5
"""Classes that are shown of an image, and that the second published error counts."""


class Prediction(NamedTuple):
    """A class that an image may be of."""

    class_index: int
    label: str
    probability: float

    def __str__(self) -> str:
        return f'{self.probability:.3f}:  {self.label}'


def softmax(logits: AnyArray) -> FloatArray:
    """Return probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: FloatArray = shifted / shifted.sum(-1, keepdims=True)
    return probabilities


def best_predictions(logits: FloatArray, labels: Sequence[str], count: int = BEST) -> list[Prediction]:
    """Return the classes (K,) of greatest probability, the best first."""
    probabilities = softmax(logits.astype(np.float64))
    best = np.argsort(-probabilities, kind='stable')[:count]
    return [Prediction(int(index), labels[index], float(probabilities[index])) for index in best]


def top_error(logits: FloatArray, targets: AnyArray, count: int = 1) -> float:
    """Return the share of images (N, K) whose class (N,) is not among the `count` best."""
    best = np.argsort(-logits, axis=1, kind='stable')[:, :count]
    return float(1 - (best == targets[:, None]).any(1).mean())


def cross_entropy(logits: FloatArray, targets: AnyArray) -> float:
    """Return the mean negative logarithm of the probability of each image's class."""
    shifted = logits - logits.max(1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def scores_of(logits: FloatArray, targets: AnyArray) -> dict[str, float]:
    """Return top1_error, top5_error and cross_entropy of images (N, K) of the classes (N,)."""
    return {
        'top1_error': top_error(logits, targets),
        'top5_error': top_error(logits, targets, BEST),
        'cross_entropy': cross_entropy(logits, targets),
    }
