"""The pose of one person in one image."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton

MISSING = np.array([np.nan, np.nan, 0], np.float32)  # A missing keypoint


@dataclass(frozen=True, eq=False)
class Pose:
    """Keypoints (K, 3) float32: x and y in image pixels (NaN if missing) and a score (0 if missing).

    x and y count from the centre of the top-left pixel. `id` is that of the track, None without one. `ranking` is the
    score for COCO's evaluation if the method defines another one than `score`.
    """

    keypoints: FloatArray
    score: float
    skeleton: Skeleton = OPENPOSE_18
    id: int | None = None
    ranking: float | None = None

    def __post_init__(self) -> None:
        keypoints = np.array(self.keypoints, dtype=np.float32)
        if keypoints.shape != (len(self.skeleton), 3):
            raise ValueError(f'keypoints must be ({len(self.skeleton)}, 3) x, y, score, got {keypoints.shape}')
        if self.id is not None and not isinstance(self.id, int | np.integer):
            raise ValueError(f'id must be an int or None, got {self.id!r}')
        finite = np.isfinite(keypoints)
        keypoints[~(finite[:, 0] & finite[:, 1])] = MISSING
        object.__setattr__(self, 'keypoints', keypoints)

    @classmethod
    def from_data(cls, data: IntArray, score: float, skeleton: Skeleton = OPENPOSE_18) -> 'Pose':
        """Make a pose from OpenDR's form: (K, 2) integers, -1 if missing."""
        found = (np.asarray(data)[:, 0] != -1).astype(np.float32)
        xy = np.where(found[:, None] > 0, np.asarray(data, dtype=np.float32), np.float32(np.nan))
        return cls(np.column_stack([xy, found]), score, skeleton)

    def __getitem__(self, key: int | str) -> FloatArray:
        """Return x, y and score of a keypoint by index, abbreviation (`r_wri`) or name (`right_wrist`)."""
        index = self.skeleton.index(key) if isinstance(key, str) else key
        keypoint: FloatArray = self.keypoints[index]
        return keypoint

    def __str__(self) -> str:
        lines = [f'pose {"untracked" if self.id is None else self.id}, score {self.score:.2f}']
        for name, (x, y, score) in zip(self.skeleton.abbreviations, self.keypoints, strict=True):
            lines.append(f'  {name:6s}' + (f'{x:8.1f} {y:8.1f}  {score:.2f}' if np.isfinite(x) else '  missing'))
        return '\n'.join(lines)

    @property
    def found(self) -> FloatArray:
        """(F, 3) keypoints that are not missing."""
        return self.keypoints[np.isfinite(self.keypoints[:, 0])]

    @property
    def confidence(self) -> float:
        """OpenDR's name for the score."""
        return self.score

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """x, y, width, height of the box around the found keypoints; zeros without keypoints."""
        found = self.found
        if not len(found):
            return 0.0, 0.0, 0.0, 0.0
        (left, top), (right, bottom) = found[:, :2].min(axis=0), found[:, :2].max(axis=0)
        return float(left), float(top), float(right - left), float(bottom - top)

    @property
    def data(self) -> IntArray:
        """(K, 2) int32 truncated coordinates, -1 if missing: OpenDR's form."""
        return np.nan_to_num(self.keypoints[:, :2], nan=-1).astype(np.int32)

    def with_id(self, identity: int | None) -> 'Pose':
        return replace(self, id=identity)

    def moved(self, xy: FloatArray) -> 'Pose':
        """Return the same pose with its keypoints at `xy` (K, 2)."""
        return replace(self, keypoints=np.column_stack([xy, self.keypoints[:, 2]]))


def get_bbox(pose: Pose) -> tuple[int, int, int, int]:
    """Return x, y, width, height in whole pixels, both border pixels counted (OpenDR's helper)."""
    found = pose.found[:, :2].astype(np.int32)
    if not len(found):
        return 0, 0, 0, 0
    x, y, width, height = cv2.boundingRect(found[:, None])
    return int(x), int(y), int(width), int(height)
