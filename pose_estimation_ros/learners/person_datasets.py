"""What top-down learners train on and are scored by: persons with their boxes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.image import to_bgr
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.coco import coco_persons
from pose_estimation_ros.data.datasets.external import ExternalDataset, find_external
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.wrappers import InSkeleton, Persons
from pose_estimation_ros.evaluation.coco_score import coco_label
from pose_estimation_ros.evaluation.detections import coco_detection, read_boxes
from pose_estimation_ros.evaluation.ground_truth import truth_boxes
from pose_estimation_ros.evaluation.run import Entry
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.learners.pictures import Names, ScoredPictures, as_keypoint_dataset
from pose_estimation_ros.learners.validation import coco_numbers, tell
from pose_estimation_ros.methods.method import Method

if TYPE_CHECKING:
    from pose_estimation_ros.training.validation import Watch

BoxSource = Literal['ground_truth', 'whole_image', 'detector'] | str | Path
"""Where boxes come from; a path is a file of COCO's detection results."""

GROUND_TRUTH, WHOLE_IMAGE, DETECTOR = 'ground_truth', 'whole_image', 'detector'


def training_persons(dataset: Any, names: Names, skeleton: Skeleton) -> KeypointDataset:
    """Return one item a person, in a skeleton; raises DatasetError."""
    if isinstance(dataset, ExternalDataset):
        coco = coco_persons(*find_external(dataset, names.images_folder, names.annotations_file))
        coco.check_files()
        people: KeypointDataset = coco
    else:
        people = Persons(as_keypoint_dataset(dataset))
    return people if people.skeleton is skeleton else InSkeleton(people, skeleton)


def boxes_for(source: BoxSource, truth: dict[str, Any]) -> dict[int, Boxes] | None:
    """Return where people are by image id, None where the learner is to find out; raises EvaluationError."""
    if source in (WHOLE_IMAGE, DETECTOR):
        return None
    if source == GROUND_TRUTH:
        return truth_boxes(truth)
    if not Path(source).is_file():
        raise SettingsError(
            f'boxes must be {GROUND_TRUTH}, {WHOLE_IMAGE}, {DETECTOR} or a file of COCO detections, got {str(source)!r}'
        )
    return read_boxes(Path(source))


@dataclass(frozen=True, eq=False)
class PersonValidation:
    """Scores a network in training by COCO's numbers, on the boxes of the truth."""

    method: Method
    pictures: ScoredPictures
    network: PersonNetwork
    flip: bool = False
    verbose: bool = False
    """Whether to print scores."""

    def run(self, network: Any, rank: int, world: int, watch: 'Watch | None' = None) -> list[dict[str, Any]]:
        """Return the detections in this process's share."""
        pipeline = network_in_training(network, self.method, self.network, self.flip)
        boxes: Mapping[int, Boxes] = truth_boxes(self.pictures.truth)
        entries: Iterator[Entry] = self.pictures.entries(rank, world)
        if watch:
            entries = watch.over(entries, len(self.pictures.sources[rank::world]))
        return [
            coco_detection(pose, image_id)
            for image_id, picture in entries
            if image_id in boxes
            for pose in pipeline(to_bgr(picture), boxes[image_id]).poses
        ]

    def score(self, parts: Sequence[list[dict[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten numbers, AP first."""
        scores = coco_numbers(self.pictures, parts)
        if self.verbose:
            tell(scores)
        return scores

    def tag(self, name: str) -> str:
        """Return what COCO prints before a number, as the published logs have it."""
        return coco_label(name)


def network_in_training(network: Any, method: Method, wanted: PersonNetwork, flip: bool = False) -> TopDown:
    """Return what looks at given boxes with a network where it is."""
    device = next(network.parameters()).device
    model = Model(method.output_channels, network=network, label='the network in training')
    backend = open_backend(model, BackendSettings('torch', str(device)))
    pipeline = TopDown(backend, method, method.decoder(method.decoder_names()[0]), wanted)
    return pipeline.with_settings(flip=flip)
