"""What training does differently for networks that see whole images and for those that see one person's crop."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.wrappers import Persons
from pose_estimation_ros.data.transforms.builders import letterboxed, varied, whole_image
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.methods.method import Decoder, Method, Preprocessing
from pose_estimation_ros.training.pose.recipe import TransformSettings

GeneralTransform = Callable[[TransformSettings, int, Skeleton], Transform]
"""From settings, side of the square input and skeleton to an augmentation that suits every method of a kind."""


class NetworkInput(Protocol):
    """A kind of network input."""

    on_boxes: bool
    """Whether pipelines take the boxes of people."""
    transforms: Mapping[str, GeneralTransform]
    """By `transform.kind`, besides the published augmentation."""
    renamed: Mapping[str, str]
    """Settings of the augmentation by their earlier names in `transform`."""

    def samples(self, dataset: KeypointDataset, by_person: bool) -> KeypointDataset:
        """Return one sample for each input; `by_person` says that each sample is already of one person."""

    def require_labels(self, method: Method) -> None:
        """Raise SettingsError if such networks cannot be trained without labels."""

    def pipeline(self, backend: Backend, method: Method, decoder: Decoder, pixels: Preprocessing, hw: Any) -> Any:
        """Return what finds people with a network of inputs of this height and width."""


class WholeImage:
    """Bottom-up networks."""

    on_boxes = False
    transforms: Mapping[str, GeneralTransform] = {
        'letterboxed': lambda _, side, __: letterboxed(side),
        'varied': lambda settings, side, skeleton: varied(side, skeleton, settings.scale),
        'whole_image': lambda _, side, skeleton: whole_image(side, skeleton),
    }
    renamed: Mapping[str, str] = {}

    def samples(self, dataset: KeypointDataset, by_person: bool) -> KeypointDataset:
        """Return the images as they are."""
        return dataset

    def require_labels(self, method: Method) -> None:
        """Do nothing: a teacher can know about whole images."""

    def pipeline(self, backend: Backend, method: Method, decoder: Decoder, pixels: Preprocessing, hw: Any) -> Pipeline:
        """Return a pipeline for images of any size, scaled to the height."""
        return Pipeline(backend, method, decoder, pixels, hw[0])


class PersonCrop:
    """Top-down networks."""

    on_boxes = True
    transforms: Mapping[str, GeneralTransform] = {}
    renamed: Mapping[str, str] = {'person_scale': 'scale', 'person_rotation': 'rotation'}

    def samples(self, dataset: KeypointDataset, by_person: bool) -> KeypointDataset:
        """Return one sample for each person, who comes first."""
        return dataset if by_person else Persons(dataset)

    def require_labels(self, method: Method) -> None:
        """Raise SettingsError: without a labelled person there is no crop."""
        raise SettingsError(f'data.train: labels: false is for bottom-up methods, {method.name} is top-down')

    def pipeline(self, backend: Backend, method: Method, decoder: Decoder, pixels: Preprocessing, hw: Any) -> TopDown:
        """Return a pipeline that crops people."""
        return TopDown(backend, method, decoder, PersonNetwork(pixels, hw))


INPUTS: dict[str, NetworkInput] = {'image': WholeImage(), 'person': PersonCrop()}
"""By what a method's network sees."""
