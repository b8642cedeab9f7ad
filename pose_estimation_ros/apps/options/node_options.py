"""What the common options are for the node, for commands that start it: its parameters, and what it has none for."""

from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.apps.options.model_options import TWO_PASS_OPTIONS, learner_options, weights_of
from pose_estimation_ros.apps.options.person_options import DETECTOR_THRESHOLDS
from pose_estimation_ros.models.folder import find_model

SAME_NAMES = (
    *('method', 'backend', 'device', 'upsample_ratio', 'keypoint_threshold', 'min_keypoints', 'max_persons'),
    *TWO_PASS_OPTIONS,
    *DETECTOR_THRESHOLDS,
)
"""Options whose parameters are called as they are."""


def node_parameters(settings: Namespace) -> dict[str, Any]:
    """Return the node's parameters that say what the options say.

    Raises:
        SettingsError: An option is for other methods, as commands that start no node tell it.
        WeightsError: There is no such model.

    """
    learner_options(settings)
    find_model(weights_of(settings))
    given = {
        **{name: settings[name] for name in SAME_NAMES},
        'model_path': str(weights_of(settings).resolve()),
        'base_height': settings.height,
        'half_precision': True if settings.precision == 'fp16' else None,
        'mobilenet_use_stride': True if settings.stride == 16 else None,
        'num_refinement_stages': settings.stages,
        'detector': str(settings.detector.resolve()) if settings.detector else None,
        'tracker': settings.get('tracker'),
    }
    return {name: value for name, value in given.items() if value is not None}


def not_for_the_node(settings: Namespace) -> list[str]:
    """Return the options, as they are written, that were given and for which the node has no parameter."""
    from pose_estimation_ros.learners.create import usual_decoding
    from pose_estimation_ros.methods.systems import SYSTEMS

    usual = usual_decoding(settings.method) if settings.method in SYSTEMS else None
    special = {
        '--precision': settings.precision == 'bf16',
        '--stride': settings.stride == 8,
        '--decode': settings.decode not in (None, usual),
        '--threads': settings.threads,
        '--providers': settings.providers,
        '--channel-order': settings.channel_order,
        '--trust-weights': settings.trust_weights,
    }
    return [option for option, given in special.items() if given]
