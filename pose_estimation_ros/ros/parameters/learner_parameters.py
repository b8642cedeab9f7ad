"""What the node's parameters say to its learner. Imports nothing of ROS."""

from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.learners.create import takes
from pose_estimation_ros.models.folder import find_model
from pose_estimation_ros.ros.parameters.parameters import (
    BY_NAME,
    DETECTOR_THRESHOLDS,
    HEIGHTS,
    NodeSettings,
    heights_of,
    require_heights,
)
from pose_estimation_ros.tracking.trackers import DEFAULT_TRACKER, TRACKERS


def heights(settings: NodeSettings) -> dict[str, int]:
    """Return those of the heights that the method has; they may change while it runs."""
    return {name: getattr(settings, name) for name in heights_of(settings.method)}


def learner_options(settings: NodeSettings) -> tuple[str, dict[str, Any]]:
    """Return the method, and what to call `create_learner` with besides.

    Options that a method does not know are left out while they have their default; otherwise they are passed on, and
    `create_learner` refuses them by name.

    Raises:
        SettingsError: A height of another method is set, or how a detector works that there is none of.

    """
    require_heights(settings.method, [name for name in HEIGHTS if _differs(name, getattr(settings, name))])
    wanted = {
        'backend': settings.backend,
        'device': settings.device,
        'half_precision': settings.half_precision,
        'mobilenet_use_stride': _use_stride(settings),
        'num_refinement_stages': None if settings.num_refinement_stages < 0 else settings.num_refinement_stages,
        'backbone': settings.backbone or None,
        'base_height': settings.base_height,
        'first_pass_height': settings.first_pass_height,
        'second_pass_height': settings.second_pass_height,
        'regions': settings.regions,
        'newcomers_interval': settings.newcomers_interval,
        'detector': settings.detector or None,
        'detector_settings': detector_settings(settings) or None,
        'decoding': decoding_options(settings),
        'tracker': None if settings.tracker == DEFAULT_TRACKER else TRACKERS[settings.tracker](),
        'require_device': True,
    }
    return settings.method, {
        name: value
        for name, value in wanted.items()
        if value is not None and (takes(settings.method, name) or _differs(name, value))
    }


def detector_settings(settings: NodeSettings) -> dict[str, Any]:
    """Return the detector's settings, by its names for them, that were set; raises SettingsError without a detector."""
    given = {name: value for name in DETECTOR_THRESHOLDS if _differs(name, value := getattr(settings, name))}
    if given and not settings.detector:
        raise SettingsError(f'{", ".join(given)}: only with a detector; name its file, or leave it out')
    return {DETECTOR_THRESHOLDS[name]: value for name, value in given.items()}


def decoding_options(settings: NodeSettings) -> dict[str, Any]:
    """Return the settings that decoders take, by the decoders' names for them."""
    return {
        'keypoint_threshold': settings.keypoint_threshold,
        'min_mean_score': settings.person_threshold,
        'min_keypoints': settings.min_keypoints,
        'max_persons': settings.max_persons,
    }


def _differs(name: str, value: Any) -> bool:
    return name in BY_NAME and value != BY_NAME[name].default


def _use_stride(settings: NodeSettings) -> bool | None:
    """Return None where the file's own description decides. Published checkpoints have none; they are for stride 8."""
    if settings.mobilenet_use_stride:
        return True
    try:
        file = find_model(Path(settings.model_path)) if settings.model_path else None
    except WeightsError:  # whoever loads it will say so
        return None
    return False if file and file.kind == 'pth' and 'network' not in file.metadata else None
