"""The published systems by name. To add one, write its folder and name it here."""

from pose_estimation_ros.methods.lightweight_openpose.method import LightweightOpenPose
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII

METHODS: dict[str, Method] = {
    method.name: method for method in (LightweightOpenPose(), SIMPLE_BASELINE, SIMPLE_BASELINE_MPII)
}
"""The published systems, one folder each; one that was published for several skeletons comes once for each."""
