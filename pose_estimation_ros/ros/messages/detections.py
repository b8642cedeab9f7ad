"""People as boxes, for programs that read vision_msgs/Detection2DArray; vision_msgs is optional."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from std_msgs.msg import Header

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.skeleton_cloud import mean_score
from pose_estimation_ros.ros.messages.optional import message_types, required_types

PACKAGE = 'vision_msgs'
CLASS_ID = 'person'


def detection_type() -> Any | None:
    """Return the type Detection2DArray, None where vision_msgs is not installed."""
    package = message_types(PACKAGE)
    return package and package.Detection2DArray


def required_detection_type() -> Any:
    """Return the type Detection2DArray; raises SettingsError if vision_msgs is not installed."""
    return required_types(PACKAGE, 'boxes.enabled takes vision_msgs/Detection2DArray: ').Detection2DArray


def encode_detections(poses: Sequence[Pose], header: Header) -> Any:
    """Return a Detection2DArray: the box around the keypoints found, and their mean score; id is the track's, or ''."""
    package = required_types(PACKAGE)
    detections = [_detection(package, pose, header) for pose in poses]
    return package.Detection2DArray(header=header, detections=detections)


def _detection(package: ModuleType, pose: Pose, header: Header) -> Any:
    left, top, width, height = pose.bbox
    detection = package.Detection2D(header=header, id='' if pose.id is None else str(pose.id))
    detection.bbox.center.position.x = left + width / 2
    detection.bbox.center.position.y = top + height / 2
    detection.bbox.size_x, detection.bbox.size_y = width, height
    result = package.ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = CLASS_ID, mean_score(pose)
    detection.results = [result]
    return detection
