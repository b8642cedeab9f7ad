"""High-resolution pose estimation's row in the table of systems."""

from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM as LIGHTWEIGHT_OPENPOSE
from pose_estimation_ros.methods.system import System

SYSTEM = System(
    name='high_resolution',
    methods=LIGHTWEIGHT_OPENPOSE.methods,
    learner='pose_estimation_ros.learners.high_resolution:HighResolutionPoseEstimationLearner',
    embedded='efficientnet_lite',
)
