"""SimpleBaselines' row in the table of systems."""

from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII
from pose_estimation_ros.methods.simple_baseline.options import DecodingSettings, NetworkChoice
from pose_estimation_ros.methods.simple_baseline.published import DOWNLOADS
from pose_estimation_ros.methods.system import System

SYSTEM = System(
    name='simple_baseline',
    methods=(SIMPLE_BASELINE, SIMPLE_BASELINE_MPII),
    settings=(NetworkChoice, DecodingSettings),
    learner='pose_estimation_ros.learners.simple_baseline:SimpleBaselineLearner',
    downloads=DOWNLOADS,
    decoding_text='How network outputs are decoded: as published.',
)
