"""Human pose estimation for robots: learners, a command line and ROS 2 nodes on one core."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pose_estimation_ros.core.drawing import draw, draw_poses
    from pose_estimation_ros.core.image import Image
    from pose_estimation_ros.core.pose import Pose, get_bbox
    from pose_estimation_ros.data.datasets.external import DatasetIterator, ExternalDataset
    from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
    from pose_estimation_ros.learners.create import create_learner
    from pose_estimation_ros.learners.high_resolution import HighResolutionPoseEstimationLearner
    from pose_estimation_ros.learners.higher_hrnet import HigherHRNetLearner
    from pose_estimation_ros.learners.image_classifier import ImageClassifier
    from pose_estimation_ros.learners.learner import Learner
    from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
    from pose_estimation_ros.learners.simple_baseline import SimpleBaselineLearner

__all__ = [
    'DatasetIterator',
    'ExternalDataset',
    'HighResolutionPoseEstimationLearner',
    'HigherHRNetLearner',
    'Image',
    'ImageClassifier',
    'KeypointDataset',
    'Learner',
    'LightweightOpenPoseLearner',
    'Pose',
    'SimpleBaselineLearner',
    'create_learner',
    'draw',
    'draw_poses',
    'get_bbox',
]

_HOMES = {
    'DatasetIterator': 'data.datasets.external',
    'ExternalDataset': 'data.datasets.external',
    'Image': 'core.image',
    'KeypointDataset': 'data.datasets.keypoint_dataset',
    'Pose': 'core.pose',
    'draw': 'core.drawing',
    'draw_poses': 'core.drawing',
    'get_bbox': 'core.pose',
    'HighResolutionPoseEstimationLearner': 'learners.high_resolution',
    'ImageClassifier': 'learners.image_classifier',
    'Learner': 'learners.learner',
    'HigherHRNetLearner': 'learners.higher_hrnet',
    'LightweightOpenPoseLearner': 'learners.lightweight_openpose',
    'SimpleBaselineLearner': 'learners.simple_baseline',
    'create_learner': 'learners.create',
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f'{__name__} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOMES[name]}'), name)
