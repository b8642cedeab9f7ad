"""The toy system's learner."""

from typing import Any

from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.runner import WholeImages
from pose_estimation_ros.learners.settings import records_explicit
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.store import ModelStore
from toy_system.method import TOY
from toy_system.options import ToyOptions


class ToyLearner(Learner):
    """One person in an image, by the highest cells of a small network's heatmaps."""

    @records_explicit
    def __init__(self, base_height: int = 64, toy_channels: int = 8, decode: str = 'highest', **shared: Any) -> None:
        method = TOY.method
        model = ModelArguments(method, ToyOptions(toy_channels), base_height, method.preprocessing, self.explicit)
        super().__init__(shared, ModelStore(model), WholeImages(decode))
