"""People's skeletons from a robot's camera: learners, a command line and ROS 2 nodes on one core."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pose_estimation_ros.core.drawing import draw, draw_poses
    from pose_estimation_ros.core.image import Image
    from pose_estimation_ros.core.pose import Pose, get_bbox

__all__ = ['Image', 'Pose', 'draw', 'draw_poses', 'get_bbox']

_HOMES = {
    'Image': 'core.image',
    'Pose': 'core.pose',
    'draw': 'core.drawing',
    'draw_poses': 'core.drawing',
    'get_bbox': 'core.pose',
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f'{__name__} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOMES[name]}'), name)
