"""Lightweight OpenPose's row in the table of systems."""

from pose_estimation_ros.methods.lightweight_openpose.method import LightweightOpenPose
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.published import DOWNLOADS
from pose_estimation_ros.methods.shared_settings import InputSettings
from pose_estimation_ros.methods.system import System

SYSTEM = System(
    name='lightweight_openpose',
    methods=(LightweightOpenPose(),),
    settings=(InputSettings, NetworkOptions, DecodingSettings),
    learner='pose_estimation_ros.learners.lightweight_openpose:LightweightOpenPoseLearner',
    embedded='efficientnet_lite',
    downloads=DOWNLOADS,
    decoding_text='How network outputs are decoded; reference and evaluation give the published numbers.',
)
