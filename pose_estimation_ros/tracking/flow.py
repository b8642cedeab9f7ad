"""Flow-based tracking (Xiao, Wu, Wei 2018): optical flow moves people to the next frame, where they are compared.

The paper has no published code and does not state the length of the queue, the minimum similarity, the box that the
scale of a person comes from, and the ranking of detected and propagated boxes. The values here were chosen on the
synthetic crossings of `benchmark --tracking`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.boxes import covered, enlarged, nms_indices, overlaps
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.tracking.motion import Motion, OpticalFlow
from pose_estimation_ros.tracking.similarity import pose_keypoint_similarity
from pose_estimation_ros.tracking.track import most_similar_first
from pose_estimation_ros.tracking.tracker import Smoother, Tracker


@dataclass(frozen=True)
class FlowSettings:
    queue: int = 5  # Number of frames whose poses are compared (L_Q)
    threshold: float = 0.1  # Minimum flow similarity of a match
    tolerance: float = 3.0
    """Factor of COCO's sigmas: these are the precision of annotators; flow and networks are less precise."""
    sure_keypoints: int = 6  # People first detected with fewer keypoints get an id at the second detection

    def __post_init__(self) -> None:
        if self.queue < 1:
            raise SettingsError(f'queue must be 1 frame or more, got {self.queue}')


def flow_tracker(
    settings: FlowSettings | None = None, motion: Motion | None = None, smoother: Smoother | None = None
) -> Tracker:
    """Return a tracker by optical flow, whose `update` needs the image."""
    settings = settings or FlowSettings()
    return Tracker(
        similarity=FlowSimilarity(settings.tolerance),
        threshold=settings.threshold,
        smoother=smoother,
        sure_keypoints=settings.sure_keypoints,
        matching=most_similar_first,
        motion=motion or OpticalFlow(),
        queue=settings.queue,
    )


@dataclass(frozen=True)
class FlowSimilarity:
    """OKS from 0 to 1 of propagated and current poses, with sigmas multiplied by `tolerance`.

    The mean is over the keypoints of either pose; a keypoint of only one pose counts 0. With COCO's mean over shared
    keypoints a fragment that matches in two keypoints would score as high as the whole person.
    """

    tolerance: float = 1.0

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise SettingsError(f'tolerance must be above 0, got {self.tolerance}')

    def __call__(self, previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
        similarity = pose_keypoint_similarity(previous, current) ** (1 / self.tolerance**2)  # (P, C, K)
        if not similarity.size:
            return np.zeros(similarity.shape[:2])
        found = [np.stack([np.isfinite(pose.keypoints[:, 0]) for pose in poses]) for poses in (previous, current)]
        either = (found[0][:, None] | found[1][None]).sum(axis=2)
        mean: FloatArray = np.nansum(similarity, axis=2) / np.maximum(either, 1)
        return mean


@dataclass(frozen=True)
class Propagation:
    """Settings of boxes propagated from the last frame."""

    enlarge: float = 0.15  # Growth of the box around keypoints, as a share of width and height (published)
    min_keypoint_score: float = 0.4  # Minimum keypoint score in a propagated box (published)
    min_propagated_score: float = 0.5  # Of propagated boxes (published)
    min_detection_score: float = 0.5  # Of detected boxes (published)
    overlap: float = 0.5  # NMS IoU threshold
    inside: float | None = None
    """Drops propagated boxes with more than this share inside another box; None (published) keeps them."""

    def __post_init__(self) -> None:
        if not (self.enlarge >= 0 and 0 < self.overlap <= 1):
            raise SettingsError(f'enlarge must be at least 0 and overlap above 0, at most 1, got {self}')
        if self.inside is not None and not 0 < self.inside < 1:
            raise SettingsError(f'inside must be above 0 and below 1, or None for off, got {self.inside}')


def propagated_boxes(people: Sequence[Pose], settings: Propagation | None = None) -> tuple[FloatArray, FloatArray]:
    """Return boxes (N, 4) of x, y, width, height around people from `Tracker.expect`, and their scores (N,).

    The score of a box is the mean of its keypoints' scores. People with fewer than two confident keypoints have no box.
    """
    settings = settings or Propagation()
    sure = [
        replace(each, keypoints=np.where(each.keypoints[:, 2:] >= settings.min_keypoint_score, each.keypoints, np.nan))
        for each in people
    ]
    sure = [each for each in sure if len(each.found) >= 2]
    boxes = np.array([each.bbox for each in sure]).reshape(-1, 4)
    return enlarged(boxes, settings.enlarge), np.array([float(each.found[:, 2].mean()) for each in sure])


def joined_boxes(
    detected: FloatArray, detected_scores: FloatArray, people: Sequence[Pose], settings: Propagation | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return detected and propagated boxes (N, 4) after NMS, and their scores (N,).

    Detected boxes take precedence over propagated ones regardless of scores, which are not comparable. Boxes are x, y,
    width, height.
    """
    settings = settings or Propagation()
    propagated, propagated_scores = propagated_boxes(people, settings)
    boxes = np.vstack([np.asarray(detected, dtype=np.float64).reshape(-1, 4), propagated])
    scores = np.concatenate([np.asarray(detected_scores, dtype=np.float64).reshape(-1), propagated_scores])
    added = np.arange(len(boxes)) >= len(boxes) - len(propagated)
    order = np.lexsort((-scores, added))  # detected boxes by score, then propagated ones by score
    order = order[scores[order] >= np.where(added[order], settings.min_propagated_score, settings.min_detection_score)]
    similarity = overlaps(boxes[order], boxes[order])
    if settings.inside is not None:
        inside = covered(boxes[order], boxes[order]) > settings.inside
        similarity[inside & added[order]] = np.inf
    kept = order[nms_indices(similarity, settings.overlap)]
    return boxes[kept], scores[kept]
