"""Datasets of annotated people behind one interface, `KeypointDataset`."""

from pose_estimation_ros.data.datasets.coco import CocoKeypoints, CocoMainPersons, coco_persons
from pose_estimation_ros.data.datasets.external import DatasetIterator, ExternalDataset, FromIterator, open_external
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.leeds import LeedsSportsExtended
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.datasets.mpii import MpiiPersons
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.data.datasets.wrappers import InSkeleton, Persons, convert_keypoints

__all__ = [
    'CocoKeypoints',
    'CocoMainPersons',
    'DatasetIterator',
    'ExternalDataset',
    'FromIterator',
    'InSkeleton',
    'KeypointDataset',
    'LeedsSportsExtended',
    'Mixture',
    'MpiiPersons',
    'Persons',
    'SyntheticPeople',
    'coco_persons',
    'convert_keypoints',
    'open_external',
]
