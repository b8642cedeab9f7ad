"""Flow-based tracking (Xiao, Wu, Wei 2018): people are carried along by optical flow, then compared.

The paper published no code and leaves open how long its queue is, from which similarity on two poses are one person,
which box an instance's scale comes from, and how boxes of two origins are ranked; what stands here was chosen on the
crossings of synthetic/crossing.py, those that `benchmark --tracking` draws too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.boxes import covered, enlarged, keep_unlike, overlaps
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.tracking.motion import Motion, OpticalFlow
from pose_estimation_ros.tracking.similarity import pose_keypoint_similarity
from pose_estimation_ros.tracking.track import most_alike_first
from pose_estimation_ros.tracking.tracker import Smoother, Tracker


@dataclass(frozen=True)
class FlowSettings:
    """How people are followed by optical flow."""

    queue: int = 5
    """Frames whose poses are compared (L_Q)."""
    threshold: float = 0.1
    """Least flow similarity of one person."""
    tolerance: float = 3.0
    """Times COCO's falloffs: these are the precision of annotation, flow and networks are less precise."""
    sure_keypoints: int = 6
    """Someone first seen with fewer gets an id when seen a second time."""

    def __post_init__(self) -> None:
        if self.queue < 1:
            raise SettingsError(f'a queue holds 1 frame or more, got {self.queue}')


def flow_tracker(
    settings: FlowSettings | None = None, motion: Motion | None = None, smoother: Smoother | None = None
) -> Tracker:
    """Return a tracker by optical flow; its `update` needs the image."""
    settings = settings or FlowSettings()
    return Tracker(
        similarity=FlowSimilarity(settings.tolerance),
        threshold=settings.threshold,
        smoother=smoother,
        sure_keypoints=settings.sure_keypoints,
        matching=most_alike_first,
        motion=motion or OpticalFlow(),
        queue=settings.queue,
    )


@dataclass(frozen=True)
class FlowSimilarity:
    """Object keypoint similarity, 0 to 1, of carried and current poses, with falloffs `tolerance` times as wide.

    The mean goes over the keypoints of either pose; one that only one of them has counts 0. Over those that both have,
    as COCO counts, a fragment that fits in two keypoints would be the person as much as the person is.
    """

    tolerance: float = 1.0

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise SettingsError(f'tolerance must be above 0, got {self.tolerance}')

    def __call__(self, previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
        """Return a (previous, current) matrix."""
        similarity = pose_keypoint_similarity(previous, current) ** (1 / self.tolerance**2)  # (P, C, K)
        if not similarity.size:
            return np.zeros(similarity.shape[:2])
        found = [np.stack([np.isfinite(pose.keypoints[:, 0]) for pose in poses]) for poses in (previous, current)]
        either = (found[0][:, None] | found[1][None]).sum(axis=2)
        mean: FloatArray = np.nansum(similarity, axis=2) / np.maximum(either, 1)
        return mean


@dataclass(frozen=True)
class Propagation:
    """How people of the last frame become boxes for this one."""

    enlarge: float = 0.15
    """Share by which a box around joints grows, in width and height (published)."""
    least_joint: float = 0.4
    """Joints with a lower score are left out (published)."""
    least_box: float = 0.5
    """Propagated boxes with a lower score are left out (published)."""
    least_detection: float = 0.5
    """Detected boxes with a lower score are left out (published)."""
    overlap: float = 0.5
    """Boxes that have more than this in common, as intersection over union, show one person."""
    inside: float | None = None
    """Propagated boxes of which more than this share lies within another add nobody; None (published): they may."""

    def __post_init__(self) -> None:
        if not (self.enlarge >= 0 and 0 < self.overlap <= 1):
            raise SettingsError(f'enlarge must be at least 0 and overlap above 0, at most 1, got {self}')
        if self.inside is not None and not 0 < self.inside < 1:
            raise SettingsError(f'inside must be above 0 and below 1, or None for off, got {self.inside}')


def propagated_boxes(people: Sequence[Pose], settings: Propagation | None = None) -> tuple[FloatArray, FloatArray]:
    """Return boxes (N, 4) of x, y, width, height around people as `Tracker.expect` gives them, and their scores (N,).

    A box's score is the mean of its joints' scores. People of whom fewer than two joints are sure have no box.
    """
    settings = settings or Propagation()
    boxes, scores = [], []
    for person in people:
        unsure = ~(person.keypoints[:, 2] >= settings.least_joint)
        sure = replace(person, keypoints=np.where(unsure[:, None], np.nan, person.keypoints))
        if len(sure.found) >= 2:
            boxes.append(sure.bbox)
            scores.append(float(sure.found[:, 2].mean()))
    return enlarged(np.array(boxes).reshape(-1, 4), settings.enlarge), np.array(scores)


def joined_boxes(
    detected: FloatArray, detected_scores: FloatArray, people: Sequence[Pose], settings: Propagation | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return detected and propagated boxes (N, 4) with one box a person, and their scores (N,).

    Detections go before propagated boxes, whatever the scores, which come from different sources: a detector saw the
    person in this image. Boxes are x, y, width, height.
    """
    settings = settings or Propagation()
    propagated, propagated_scores = propagated_boxes(people, settings)
    boxes = np.vstack([np.asarray(detected, dtype=np.float64).reshape(-1, 4), propagated])
    scores = np.concatenate([np.asarray(detected_scores, dtype=np.float64).reshape(-1), propagated_scores])
    added = np.arange(len(boxes)) >= len(boxes) - len(propagated)
    order = np.lexsort((-scores, added))  # detections by score, then the others by theirs
    order = order[scores[order] >= np.where(added[order], settings.least_box, settings.least_detection)]
    likeness = overlaps(boxes[order], boxes[order])
    if settings.inside is not None:
        is_part = covered(boxes[order], boxes[order]) > settings.inside
        likeness[is_part & added[order]] = np.inf
    kept = order[keep_unlike(likeness, settings.overlap)]
    return boxes[kept], scores[kept]
