"""HigherHRNet's row in the table of systems."""

from pose_estimation_ros.methods.higher_hrnet.decoding_settings import DecodingSettings
from pose_estimation_ros.methods.higher_hrnet.method import HigherHRNet
from pose_estimation_ros.methods.higher_hrnet.options import InputSettings
from pose_estimation_ros.methods.higher_hrnet.published import DOWNLOADS
from pose_estimation_ros.methods.system import System

SYSTEM = System(
    name='higher_hrnet',
    methods=(HigherHRNet(),),
    settings=(InputSettings, DecodingSettings),
    learner='pose_estimation_ros.learners.higher_hrnet:HigherHRNetLearner',
    downloads=DOWNLOADS,
    decoding_text=(
        'How network outputs are decoded; published gives the official numbers, thawro those of pytorch-human-pose.'
    ),
)
