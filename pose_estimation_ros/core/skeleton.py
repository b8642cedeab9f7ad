"""Skeletons: names of keypoints, limbs, flip permutation and OKS sigmas."""

from dataclasses import dataclass, field

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray

RIGHT_BGR = (60, 140, 255)
LEFT_BGR = (255, 170, 60)
MIDDLE_BGR = (80, 220, 120)


@dataclass(frozen=True)
class Skeleton:
    """A fixed order of keypoints; `sigmas` are for OKS, `flip` is the permutation that swaps left and right."""

    name: str
    keypoints: tuple[str, ...]
    abbreviations: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    flip: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'flip', tuple(self.keypoints.index(_mirrored(name)) for name in self.keypoints))

    def __len__(self) -> int:
        return len(self.keypoints)

    def index(self, name: str) -> int:
        """Return the index of a keypoint by full name or abbreviation."""
        for names in (self.abbreviations, self.keypoints):
            if name in names:
                return names.index(name)
        raise KeyError(f'{self.name} has no keypoint {name!r}; it has {", ".join(self.abbreviations)}')

    def mapping_to(self, other: 'Skeleton') -> IntArray:
        """Return, for every keypoint of `other`, the index of the same keypoint here or -1."""
        indices = {name: index for index, name in enumerate(self.keypoints)}
        return np.array([indices.get(name, -1) for name in other.keypoints])

    def convert(self, keypoints: FloatArray, other: 'Skeleton') -> FloatArray:
        """Return (K, 3) keypoints of this skeleton in the order of `other`; NaN with score 0 for those it lacks."""
        mapping = self.mapping_to(other)
        converted = np.where(mapping[:, None] >= 0, keypoints[mapping], np.float32(np.nan)).astype(np.float32)
        converted[mapping < 0, 2] = 0
        return converted

    @property
    def limb_colours(self) -> tuple[tuple[int, int, int], ...]:
        """One BGR colour per limb: right, left and middle of the body differ."""
        return tuple(_side_colour(self.keypoints[a], self.keypoints[b]) for a, b in self.limbs)

    @property
    def keypoint_colours(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_side_colour(name, name) for name in self.keypoints)

    def describe(self) -> dict[str, object]:
        return {
            'name': self.name,
            'keypoints': list(self.keypoints),
            'abbreviations': list(self.abbreviations),
            'limbs': [list(limb) for limb in self.limbs],
            'limb_colours_bgr': [list(colour) for colour in self.limb_colours],
        }


def _mirrored(name: str) -> str:
    side, _, rest = name.partition('_')
    return {'left': f'right_{rest}', 'right': f'left_{rest}'}.get(side, name)


def _side_colour(first: str, second: str) -> tuple[int, int, int]:
    for name in (second, first):
        if name.startswith('right_'):
            return RIGHT_BGR
        if name.startswith('left_'):
            return LEFT_BGR
    return MIDDLE_BGR


PARTS = {
    'nose': ('nose', 0.026),
    'eye': ('eye', 0.025),
    'ear': ('ear', 0.035),
    'neck': ('neck', 0.079),
    'shoulder': ('sho', 0.079),
    'elbow': ('elb', 0.072),
    'wrist': ('wri', 0.062),
    'hip': ('hip', 0.107),
    'knee': ('knee', 0.087),
    'ankle': ('ank', 0.089),
    # COCO has no sigmas for these; tracking and NMS use those of the nearest keypoint.
    'pelvis': ('pelvis', 0.107),
    'thorax': ('thorax', 0.079),
    'upper_neck': ('neck', 0.079),
    'head_top': ('head', 0.026),
}
"""Abbreviation and COCO's sigma of each part of the body."""


def _skeleton(name: str, keypoints: tuple[str, ...], limbs: tuple[tuple[int, int], ...]) -> Skeleton:
    """Return a skeleton with the abbreviations and sigmas of PARTS; those on a side are called such as `l_sho`."""
    abbreviations, sigmas = [], []
    for keypoint in keypoints:
        side, _, part = keypoint.rpartition('_') if keypoint.startswith(('left_', 'right_')) else ('', '', keypoint)
        abbreviation, sigma = PARTS[part]
        abbreviations.append(f'{side[0]}_{abbreviation}' if side else abbreviation)
        sigmas.append(sigma)
    return Skeleton(name, keypoints, tuple(abbreviations), limbs, tuple(sigmas))


OPENPOSE_18 = _skeleton(
    'openpose_18',
    (
        *('nose', 'neck', 'right_shoulder', 'right_elbow', 'right_wrist', 'left_shoulder', 'left_elbow', 'left_wrist'),
        *('right_hip', 'right_knee', 'right_ankle', 'left_hip', 'left_knee', 'left_ankle'),
        *('right_eye', 'left_eye', 'right_ear', 'left_ear'),
    ),
    (
        *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
        *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
    ),
)

COCO_17 = _skeleton(
    'coco_17',
    (
        *('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder'),
        *('left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip'),
        *('left_knee', 'right_knee', 'left_ankle', 'right_ankle'),
    ),
    (
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10)),
        *((0, 1), (0, 2), (1, 3), (2, 4)),
    ),
)

MPII_16 = _skeleton(
    'mpii_16',
    (
        *('right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle', 'pelvis', 'thorax'),
        *('upper_neck', 'head_top', 'right_wrist', 'right_elbow', 'right_shoulder'),
        *('left_shoulder', 'left_elbow', 'left_wrist'),
    ),
    (
        *((0, 1), (1, 2), (2, 6), (3, 6), (4, 3), (5, 4), (6, 7), (7, 8), (8, 9)),
        *((7, 12), (12, 11), (11, 10), (7, 13), (13, 14), (14, 15)),
    ),
)

# The neck of Leeds Sports Pose lies above the middle of the shoulders, as MPII's upper neck does.
LEEDS_14 = _skeleton(
    'leeds_14',
    (
        *('right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle'),
        *('right_wrist', 'right_elbow', 'right_shoulder', 'left_shoulder', 'left_elbow', 'left_wrist'),
        *('upper_neck', 'head_top'),
    ),
    (
        *((0, 1), (1, 2), (2, 3), (4, 3), (5, 4), (2, 8), (3, 9)),
        *((6, 7), (7, 8), (8, 12), (9, 12), (10, 9), (11, 10), (12, 13)),
    ),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (OPENPOSE_18, COCO_17, MPII_16, LEEDS_14)}
