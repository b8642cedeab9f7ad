"""Datasets seen in another skeleton."""

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import NOT_LABELLED

NECK, SHOULDERS = 'neck', ('right_shoulder', 'left_shoulder')


class InSkeleton(KeypointDataset):
    """A dataset whose joints are brought into another skeleton by name; joints that it lacks are not annotated."""

    def __init__(self, dataset: KeypointDataset, skeleton: Skeleton) -> None:
        self.dataset, self.skeleton = dataset, skeleton
        if not self.annotated.any():
            raise SettingsError(
                f'the skeleton {dataset.skeleton.name} of {type(dataset).__name__} has no joint of {skeleton.name}'
            )

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def annotated(self) -> BoolArray:
        """(K,): joints that the dataset labels, and the neck where it labels the shoulders."""
        return convert_annotated(self.dataset.annotated, self.dataset.skeleton, self.skeleton)

    def load_sample(self, index: int) -> Loaded:
        """Return one picture of the dataset."""
        sample = self.dataset.sample(index)
        joints = convert_joints(sample.joints, self.dataset.skeleton, self.skeleton)
        extras = {**sample.extras, 'boxes': sample.boxes, 'areas': sample.areas}
        return sample.image, sample.mask, joints, extras


def convert_joints(joints: FloatArray, source: Skeleton, target: Skeleton) -> FloatArray:
    """Return joints (P, K, 3) of one skeleton as (P, L, 3) of another, not labelled where the first has none.

    Where the first has no neck it is the middle of the shoulders: not labelled if one of them is not, visible if both
    are.
    """
    mapping = source.mapping_to(target)
    converted = np.where(mapping[:, None] >= 0, joints[:, mapping], NOT_LABELLED)
    if shoulders := _shoulders_for_neck(source, target):
        ends = joints[:, shoulders]  # (P, 2, 3)
        flag = ends[..., 2].min(axis=1)
        middle = np.where(flag[:, None] > NOT_LABELLED, ends[..., :2].mean(axis=1), 0)
        converted[:, target.keypoints.index(NECK)] = np.column_stack([middle, flag])
    return converted


def convert_annotated(annotated: BoolArray, source: Skeleton, target: Skeleton) -> BoolArray:
    """Return which joints (L,) of the target are annotated where those (K,) of the source are."""
    mapping = source.mapping_to(target)
    converted: BoolArray = (mapping >= 0) & annotated[mapping]
    if shoulders := _shoulders_for_neck(source, target):
        converted[target.keypoints.index(NECK)] = annotated[shoulders].all()
    return converted


def _shoulders_for_neck(source: Skeleton, target: Skeleton) -> list[int]:
    """Return the places of the source's shoulders if they are to make a neck."""
    wanted = NECK in target.keypoints and NECK not in source.keypoints
    return [source.keypoints.index(name) for name in SHOULDERS] if wanted and _has_shoulders(source) else []


def _has_shoulders(skeleton: Skeleton) -> bool:
    return all(name in skeleton.keypoints for name in SHOULDERS)
