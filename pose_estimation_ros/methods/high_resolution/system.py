"""High-resolution pose estimation's row in the table of systems, and the measurements of OpenDR's documentation."""

from pose_estimation_ros.methods.high_resolution.options import TwoPassSettings
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM as LIGHTWEIGHT_OPENPOSE
from pose_estimation_ros.methods.system import PublishedSetting, PublishedTables, System

ONE_PASS, TWO_PASS = 'lightweight_openpose', 'high_resolution'
STRIDE, STAGES = {'stride': 16}, {'stages': 0}

TABLES = PublishedTables(
    single_pass=ONE_PASS,
    single_pass_heights=(256, 1080),
    settings=(
        PublishedSetting('Baseline'),
        PublishedSetting('Half', half=True),
        PublishedSetting('Stride', options=STRIDE),
        PublishedSetting('Stages', options=STAGES),
        PublishedSetting('H+S', half=True, options=STRIDE),
        PublishedSetting('Full', half=True, options=STRIDE | STAGES),
    ),
    machines={'cpu': 'i7-9700K', 'cuda': 'RTX 2070'},
    columns=('cpu', 'cuda', 'coco', 'coco 1080'),
    numbers={
        (ONE_PASS, 256, 'Baseline'): ((0.9,), (46.3,), (0.0, 0.0, 6558)),
        (ONE_PASS, 256, 'Full'): ((2.9,), (83.1,)),
        (ONE_PASS, 1080, 'Baseline'): ((0.05,), (2.6,)),
        (ONE_PASS, 1080, 'Full'): ((0.2,), (10.8,)),
        (TWO_PASS, None, 'Baseline'): ((2.3,), (13.6,), (0.615, 0.637, 288), (0.518, 0.536)),
        (TWO_PASS, None, 'Half'): ((2.7,), (16.1,), (0.604, 0.621, 269), (0.509, 0.520)),
        (TWO_PASS, None, 'Stride'): ((8.1,), (27.0,), (0.262, 0.274, 160), (0.143, 0.149)),
        (TWO_PASS, None, 'Stages'): ((3.7,), (16.5,), (0.539, 0.562, 238), (0.474, 0.496)),
        (TWO_PASS, None, 'H+S'): ((8.2,), (25.9,), (0.254, 0.267, 165), (0.134, 0.139)),
        (TWO_PASS, None, 'Full'): ((10.9,), (31.7,), (0.259, 0.272, 145), (0.141, 0.150)),
    },
)
"""Frames per second on images of 1080 rows, by device; AP50, AR50 and seconds on COCO; AP50 and AR50 on COCO scaled to
1080 rows. The machine of the last two and the scaling are not documented."""

SYSTEM = System(
    name=TWO_PASS,
    methods=LIGHTWEIGHT_OPENPOSE.methods,
    settings=(TwoPassSettings, NetworkOptions, DecodingSettings),
    learner='pose_estimation_ros.learners.high_resolution:HighResolutionPoseEstimationLearner',
    embedded='efficientnet_lite',
    downloads=LIGHTWEIGHT_OPENPOSE.downloads,
    decoding_text=LIGHTWEIGHT_OPENPOSE.decoding_text,
    tables=TABLES,
)
