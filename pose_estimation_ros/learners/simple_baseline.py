"""The learner of SimpleBaselines: a network for one person's crop, and what finds the people."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.transforms import Transform
from pose_estimation_ros.inference.detectors.person_detector import PersonDetector
from pose_estimation_ros.inference.pipeline import Result
from pose_estimation_ros.inference.top_down import TopDown
from pose_estimation_ros.learners.evaluating import Evaluation
from pose_estimation_ros.learners.fitting import FitRequest
from pose_estimation_ros.learners.following import Following
from pose_estimation_ros.learners.given import remembers_given
from pose_estimation_ros.learners.learner import Exported, Learner
from pose_estimation_ros.learners.mpii_validation import MpiiPeople, evaluate_mpii, require_mpii
from pose_estimation_ros.learners.person_asked import METHOD_OF_SKELETON, PersonAsked
from pose_estimation_ros.learners.person_datasets import GROUND_TRUTH, BoxSource, boxes_for, training_persons
from pose_estimation_ros.learners.person_fitting import fit_persons, person_fitting
from pose_estimation_ros.learners.pictures import Names, scored_pictures
from pose_estimation_ros.learners.settings import backend_settings, normalisation, training_settings
from pose_estimation_ros.learners.top_down_runner import TopDownRunner, open_detector
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SimpleBaseline
from pose_estimation_ros.methods.simple_baseline.options import PoseResNetOptions
from pose_estimation_ros.methods.simple_baseline.published import fetch_published
from pose_estimation_ros.models.holder import ModelHolder, announce
from pose_estimation_ros.models.optimized import calibration_inputs
from pose_estimation_ros.tracking.tracker import Tracker


class SimpleBaselineLearner(Learner):
    """Top-down 2D poses (Xiao et al. 2018): each person is cut out by a box and looked at alone.

    Boxes come from a detector, from the caller, or from the whole picture where there is no detector. What a weights
    file says of its network counts where the caller did not name the argument; the skeleton, 17 joints of COCO or 16
    of MPII, is then the file's too. Arguments that are not told here are Learner's.

    Args:
        lr: Learning rate of Adam; it falls to a tenth at epochs 90 and 120.
        batch_size: Persons a training step.
        backbone: resnet18, resnet34, resnet50, resnet101 or resnet152.
        skeleton: coco or mpii.
        input_size: Height and width of a crop; 256x192 for COCO and 256x256 for MPII unless given.
        channel_order: bgr as published, or rgb as most others train it.
        detector: A YOLOX file (ONNX) or a PersonDetector; None or 'whole_image' takes every picture for one person.
        detector_settings: Of an ONNX file: score_threshold (0.3), nms_threshold (0.45, an IoU) and max_persons.
        flip: See each crop mirrored too.
        decode: published.
        tracker: Who owns ids and smoothing; None for the default. With flow_tracker(), people whom the detector misses
            in one picture of a video are looked at where the flow has carried them.
        decoding: keypoint_threshold (0.2 for `infer`, 0 where poses are scored), nms_threshold, min_keypoints,
            min_mean_score, max_persons, padding, crops_at_once.

    """

    given: frozenset[str]

    @remembers_given
    def __init__(
        self,
        lr: float = 1e-3,
        epochs: int = 140,
        batch_size: int = 128,
        device: str = 'cuda',
        backbone: str = 'resnet50',
        skeleton: Literal['coco', 'mpii'] = 'coco',
        input_size: Sequence[int] | None = None,
        lr_schedule: str | Callable[[Any], Any] = '',
        temp_path: str | Path = 'temp',
        checkpoint_after_iter: int = 5000,
        checkpoint_load_iter: int = 0,
        val_after: int = 5000,
        log_after: int = 100,
        batches_per_iter: int = 1,
        experiment_name: str = 'default',
        num_workers: int = 8,
        weights_only: bool = True,
        output_name: str = 'detections.json',
        visualize: bool = False,
        img_mean: Sequence[float] = SIMPLE_BASELINE.preprocessing.mean,
        img_scale: Sequence[float] = SIMPLE_BASELINE.preprocessing.scale,
        half_precision: bool = False,
        *,
        channel_order: Literal['bgr', 'rgb'] = 'bgr',
        detector: PersonDetector | str | Path | None = None,
        detector_settings: dict[str, Any] | None = None,
        flip: bool = False,
        backend: str = 'auto',
        precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32',
        providers: Sequence[str] = (),
        threads: int = 0,
        channels_last: bool = False,
        decode: str = 'published',
        tracker: Tracker | None = None,
        decoding: dict[str, Any] | None = None,
        require_device: bool = False,
    ) -> None:
        arguments = dict(locals())
        self.temp_path = Path(temp_path)
        self.training = training_settings(arguments)
        self.backend_settings = backend_settings(arguments)
        preprocessing = normalisation(SIMPLE_BASELINE.preprocessing, arguments)
        self._asked = PersonAsked(backbone, skeleton, input_size, preprocessing, self.given)
        found = open_detector(detector, self.backend_settings, detector_settings or {})
        method = METHOD_OF_SKELETON[skeleton]
        model = self._asked.holder(method)
        self._runner = TopDownRunner(method, model, self.backend_settings, found, decode, decoding or {}, flip)
        self.tracker = tracker or Tracker()
        self._following = Following()

    @property
    def method(self) -> SimpleBaseline:
        return self._runner.method

    @property
    def _model(self) -> ModelHolder:
        return self._runner.holder

    @property
    def options(self) -> PoseResNetOptions | None:
        """The network's, None where a model file says nothing of them."""
        options: PoseResNetOptions | None = self._model.options
        return options

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError where there is none."""
        return self._model.network

    def fit(
        self,
        dataset: Any,
        val_dataset: Any = None,
        logging_path: str | Path | None = '',
        logging_flush_secs: int = 30,
        silent: bool = False,
        verbose: bool = True,
        epochs: int | None = None,
        val_subset_size: int = 0,
        images_folder_name: str = 'train2017',
        annotations_filename: str = 'person_keypoints_train2017.json',
        val_images_folder_name: str = 'val2017',
        val_annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        transform: Transform | None = None,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Train on the persons of a dataset, and score the network on true boxes.

        Arguments and result are Learner.fit's; pictures to score on are the published choice of `val_subset_size`, or
        all for 0, and `transform` makes crops of the network's size.
        """
        request = FitRequest(logging_path, logging_flush_secs, silent, verbose, epochs, seed)
        fitting = person_fitting(self.method, self.training, self.backend_settings, self.temp_path, request)
        pictures = training_persons(dataset, Names(images_folder_name, annotations_filename), self.method.skeleton)
        names = Names(val_images_folder_name, val_annotations_filename, 'val_')
        scored = None if val_dataset is None else scored_pictures(val_dataset, names, val_subset_size)
        fitting.prepare(self._model, lambda: self.download(mode='weights', verbose=request.tells)[0])
        try:
            return fit_persons(fitting, self._model, pictures, scored, transform)
        finally:
            self._runner.close()
            self.reset()

    def eval(
        self,
        dataset: Any,
        silent: bool = False,
        verbose: bool = True,
        subset_size: int = 0,
        images_folder_name: str = 'val2017',
        annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        boxes: BoxSource = GROUND_TRUTH,
    ) -> dict[str, Any]:
        """Return COCO's average precision and recall on a dataset; arguments and result are Learner.eval's.

        `subset_size` is as in `fit`; `boxes`: ground_truth, whole_image, detector, or a file of COCO's detections.
        """
        pictures = scored_pictures(dataset, Names(images_folder_name, annotations_filename), subset_size)
        given = boxes_for(boxes, pictures.truth)
        pipeline = self._runner.scoring_on(boxes)
        return Evaluation(self.training, self.temp_path, silent, verbose).numbers(pipeline, pictures, given)

    def eval_mpii(
        self, images: str | Path, annotations: str | Path, head_boxes: str | Path, silent: bool = False, limit: int = 0
    ) -> dict[str, float]:
        """Return PCKh in percent on MPII's persons in their annotated boxes: `PCKh@0.5`, `PCKh@0.1`, each joint's.

        Args:
            images: Folder of MPII's pictures.
            annotations: The published valid.json.
            head_boxes: The published gt_valid.mat.
            silent: Show no bar.
            limit: The first so many persons; 0 for all.

        """
        require_mpii(self.method)
        mpii = MpiiPeople.open(Path(images), Path(annotations), Path(head_boxes), limit)
        return evaluate_mpii(self.scoring_pipeline(), mpii, progress=not silent)

    def infer(
        self,
        img: ImageLike,
        upsample_ratio: int = 4,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
        boxes: Boxes | None = None,
    ) -> list[Pose]:
        """Return the people in a picture, [] when there are none; arguments that are not told here are Learner.infer's.

        Args:
            upsample_ratio: 1 leaves keypoints at the highest cell, more refines them by a quarter cell.
            track: Take pictures for a video: give ids that last, and look where a flow tracker expects people as well.
            boxes: Where people are; None lets the detector look.

        """
        image = to_bgr(img)
        if not track:
            return self.infer_timed(image, upsample_ratio, boxes).poses
        poses = self.infer_next(image, upsample_ratio, boxes, stamp=stamp).poses
        return self.tracker.update(poses, stamp, smooth, image)

    def infer_timed(self, img: ImageLike, upsample_ratio: int = 4, boxes: Boxes | None = None) -> Result:
        """Return the people in one picture, untracked, with the milliseconds of each stage."""
        return self.pipeline(upsample_ratio)(to_bgr(img), boxes)

    def infer_next(
        self, img: ImageLike, upsample_ratio: int = 4, boxes: Boxes | None = None, *, stamp: float | None = None
    ) -> Result:
        """Return the same for the next picture of a video, looking also where a flow tracker expects people."""
        return self._following(self.pipeline(upsample_ratio), to_bgr(img), self.tracker, boxes, stamp)

    def infer_batch(
        self, images: Sequence[ImageLike], upsample_ratio: int = 4, boxes: Sequence[Boxes | None] | None = None
    ) -> list[Result]:
        """Return the people in several unrelated pictures; all of them share forward passes."""
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images], boxes)

    def pipeline(self, upsample_ratio: int = 4) -> TopDown:
        return self._runner.pipeline(upsample_ratio)

    def scoring_pipeline(self, upsample_ratio: int = 4) -> TopDown:
        """Return the same with every keypoint, as published evaluations want it."""
        return self._runner.pipeline(upsample_ratio, scoring=True)

    def tune(self, base_height: int | None = None, **decoding: Any) -> None:
        """Change settings of `decoding` while running; the height of crops belongs to the network."""
        self._runner.tune(base_height, **decoding)

    def reset(self) -> None:
        self.tracker.reset()
        self._following.reset()

    def init_model(self) -> None:
        """Build the network of this learner's options with random weights, for training."""
        self._model.build()
        self.reset()

    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model of COCO's or MPII's joints, as Learner.load does; it must be named, since none comes along."""
        method, model, text = self._asked.load(None if path is None else Path(path), trust, self.method)
        self._runner = self._runner.on(method, model)
        self.reset()
        announce(text, verbose)

    def save(self, path: str | Path, verbose: bool = False) -> None:
        written = self._model.save(Path(path), self._asked.backbone)
        if verbose:
            print(f'saved {written}')

    def optimize(
        self, do_constant_folding: bool = False, *, precision: Exported = 'fp32', calibration: Iterable[ImageLike] = ()
    ) -> None:
        inputs = calibration_inputs(calibration, self.pipeline)
        self._model.optimize(self.temp_path, precision, inputs, do_constant_folding)

    def optimized_content(self) -> bytes:
        return self._model.optimized_content()

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = ''
    ) -> list[Path]:
        """Fetch published files and return where they are; arguments that are not told here are Learner.download's.

        `mode` is 'weights' (ImageNet's of the backbone), 'detector' (YOLOX), or 'pretrained' (a pose network, which its
        publisher keeps where only a browser gets it: then `url` must say where to fetch it).
        """
        folder = Path(path) if path is not None else self.temp_path
        size = self._model.asked_options.input_hw
        return fetch_published(mode, self._asked.backbone, size, folder, url, verbose)
