"""High-resolution pose estimation's row in the table of systems."""

from pose_estimation_ros.methods.high_resolution.options import TwoPassSettings
from pose_estimation_ros.methods.high_resolution.tables import TABLES
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM as LIGHTWEIGHT_OPENPOSE
from pose_estimation_ros.methods.system import System

SYSTEM = System(
    name='high_resolution',
    methods=LIGHTWEIGHT_OPENPOSE.methods,
    settings=(TwoPassSettings, NetworkOptions, DecodingSettings),
    learner='pose_estimation_ros.learners.high_resolution:HighResolutionPoseEstimationLearner',
    embedded='efficientnet_lite',
    downloads=LIGHTWEIGHT_OPENPOSE.downloads,
    decoding_text=LIGHTWEIGHT_OPENPOSE.decoding_text,
    tables=TABLES,
)
