"""The published systems by name. To add one, write its folder and name it here."""

from pose_estimation_ros.methods.lightweight_openpose.method import LightweightOpenPose
from pose_estimation_ros.methods.method import Method

METHODS: dict[str, Method] = {method.name: method for method in (LightweightOpenPose(),)}
