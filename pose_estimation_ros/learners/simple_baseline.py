"""The published learner API of SimpleBaselines: a network for one person's crop, and a detector that finds people."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.evaluation.pckh import MpiiPeople, evaluate_mpii, require_mpii
from pose_estimation_ros.evaluation.scored_images import DETECTOR, WHOLE_IMAGE, BoxSource
from pose_estimation_ros.inference.detectors.person_detector import PersonDetector, WholeImage
from pose_estimation_ros.inference.pipeline import Result
from pose_estimation_ros.inference.top_down import TopDown
from pose_estimation_ros.learners.box_propagation import BoxPropagation
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.person_crops import PersonCrops, open_detector
from pose_estimation_ros.learners.runner import Runner
from pose_estimation_ros.learners.settings import backend_settings, normalisation, records_explicit
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII
from pose_estimation_ros.methods.simple_baseline.options import DEPTHS
from pose_estimation_ros.methods.simple_baseline.published import fetch_published
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.tracking.tracker import Tracker

METHOD_OF_SKELETON = {'coco': SIMPLE_BASELINE, 'mpii': SIMPLE_BASELINE_MPII}
BACKBONES = {f'resnet{depth}': depth for depth in DEPTHS}

FIELDS_OF_ARGUMENT = {
    'backbone': ('depth',),
    'input_size': ('input_height', 'input_width'),
    'img_mean': ('mean',),
    'img_scale': ('scale',),
}
"""Constructor arguments whose fields of options or preprocessing have other names."""


class SimpleBaselineLearner(Learner):
    """Top-down 2D poses (Xiao et al. 2018): one pose for the crop around each person's box.

    Boxes come from a detector, from the caller, or from the whole image if there is no detector. Explicit arguments
    override what a weights file declares; the skeleton (17 keypoints of COCO or 16 of MPII) also comes from the file
    unless it is passed. Arguments that are not documented here are Learner's.

    Args:
        lr: Learning rate of Adam; it falls to a tenth at epochs 90 and 120.
        batch_size: Persons per training step.
        backbone: resnet18, resnet34, resnet50, resnet101 or resnet152.
        skeleton: coco or mpii.
        input_size: Height and width of a crop; 256x192 for COCO and 256x256 for MPII unless given.
        channel_order: bgr as published, or rgb as most others train it.
        detector: A YOLOX file (ONNX) or a PersonDetector; None or 'whole_image' takes every image for one person.
        detector_settings: Of an ONNX file: score_threshold (0.3), nms_threshold (0.45, an IoU) and max_persons.
        flip: Average the maps of each crop and of its mirror image.
        decode: published.
        tracker: Owns ids and smoothing; None for the default. With flow_tracker(), people whom the detector misses in
            an image of a video are looked for where the optical flow has carried them.
        decoding: keypoint_threshold (0.2 for `infer`, 0 where poses are scored), nms_threshold, min_keypoints,
            min_mean_score, max_persons, padding, crops_at_once.

    """

    takes_boxes: ClassVar[bool] = True
    losses: ClassVar[Mapping[str, str]] = {'heatmap_losses': 'heatmaps_loss'}
    _runner: Runner[TopDown]

    @records_explicit
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
        found = open_detector(detector, backend_settings(arguments), detector_settings or {})
        super().__init__(arguments, network_model(arguments, self.explicit), PersonCrops(decode, found, flip))
        self._detects, self._following = found is not None, BoxPropagation()

    def _after_training(self) -> None:
        """Note that training here places labels at pixel centres."""
        self._model.set_options(label_corner=False)

    def eval_mpii(
        self, images: str | Path, annotations: str | Path, head_boxes: str | Path, silent: bool = False, limit: int = 0
    ) -> dict[str, float]:
        """Return PCKh in percent on MPII's persons in their annotated boxes: `PCKh@0.5`, `PCKh@0.1`, each keypoint's.

        Args:
            images: Folder of MPII's images.
            annotations: The published valid.json.
            head_boxes: The published gt_valid.mat.
            silent: Show no bar.
            limit: Use only the first N persons; 0 for all.

        """
        require_mpii(self.method)
        mpii = MpiiPeople.open(Path(images), Path(annotations), Path(head_boxes), limit)
        return evaluate_mpii(self.scoring_pipeline(), mpii, progress=not silent)

    def _scored_pipeline(self, upsample_ratio: int | None, boxes: BoxSource) -> TopDown:
        """Return the pipeline that `eval` scores, with boxes from a source; raises SettingsError without a detector."""
        if boxes == DETECTOR and not self._detects:
            raise SettingsError(
                "boxes='detector' needs one, and this learner has none; give its constructor detector=PATH"
            )
        pipeline = self.scoring_pipeline(upsample_ratio)
        return pipeline.with_detector(WholeImage()) if boxes == WHOLE_IMAGE else pipeline

    def infer_timed(self, img: ImageLike, upsample_ratio: int | None = None, boxes: Boxes | None = None) -> Result:
        """Return the people in one image, untracked, with the milliseconds of each stage.

        An `upsample_ratio` of 1 leaves keypoints at the highest cell, more refines them by a quarter cell.
        """
        return self.pipeline(upsample_ratio)(to_bgr(img), boxes)

    def infer_next(
        self,
        img: ImageLike,
        upsample_ratio: int | None = None,
        boxes: Boxes | None = None,
        *,
        stamp: float | None = None,
    ) -> Result:
        """Return the people in the next image of a video, also searching boxes that a flow tracker propagates."""
        return self._following(self.pipeline(upsample_ratio), to_bgr(img), self.tracker, boxes, stamp)

    def infer_batch(
        self,
        images: Sequence[ImageLike],
        upsample_ratio: int | None = None,
        boxes: Sequence[Boxes | None] | None = None,
    ) -> list[Result]:
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images], boxes)

    def pipeline(self, upsample_ratio: int | None = None) -> TopDown:
        return self._runner.pipeline(upsample_ratio=upsample_ratio)

    def scoring_pipeline(self, upsample_ratio: int | None = None) -> TopDown:
        """Return a copy that keeps every keypoint, as published evaluations require."""
        return self._runner.pipeline(self.method.scoring, upsample_ratio=upsample_ratio)

    def tune(self, base_height: int | None = None, **settings: Any) -> None:
        """Change settings of `decoding` while running; the height of crops belongs to the network."""
        if base_height is not None:
            raise SettingsError('the height of crops cannot change: load a network for another input_size')
        super().tune(**settings)

    def reset(self) -> None:
        """Forget the people of earlier images: ids start at 0 again, smoothing and optical flow afresh."""
        super().reset()
        self._following.reset()

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = ''
    ) -> list[Path]:
        """Fetch published files and return where they are; other arguments are Learner.download's.

        `mode` is 'weights' (ImageNet's of the backbone), 'detector' (YOLOX), or 'pretrained' (a pose network, which its
        publisher keeps where only a browser gets it: then `url` must say where to fetch it).
        """
        folder, options = Path(path) if path is not None else self.temp_path, self._model.arguments.options
        return fetch_published(mode, options.backbone, options.input_hw, folder, url, verbose)


def network_model(arguments: Mapping[str, Any], explicit: frozenset[str]) -> ModelStore:
    """Return a model without weights for a constructor's arguments, of which the caller passed those in `explicit`.

    A file may have the other skeleton if the caller did not pass one; raises SettingsError for wrong values.
    """
    skeleton, size = arguments['skeleton'], arguments['input_size']
    for name, choices in (('skeleton', METHOD_OF_SKELETON), ('backbone', BACKBONES), ('channel_order', ('bgr', 'rgb'))):
        if arguments[name] not in choices:
            raise SettingsError(f'{name} must be one of {", ".join(choices)}, got {arguments[name]!r}')
    if size is not None and len(size) != 2:
        raise SettingsError(f'input_size must be height and width, got {list(size)}')
    wanted: dict[str, Any] = {'depth': BACKBONES[arguments['backbone']]}
    if size is not None:
        wanted |= {'input_height': int(size[0]), 'input_width': int(size[1])}
    preprocessing = normalisation(SIMPLE_BASELINE.preprocessing, arguments)
    named = frozenset(field for name in explicit for field in FIELDS_OF_ARGUMENT.get(name, (name,)))

    def choices_of_method() -> Iterator[ModelArguments]:
        methods = sorted(METHOD_OF_SKELETON.items(), key=lambda item: item[0] != skeleton)
        for _, method in methods[:1] if 'skeleton' in explicit else methods:
            options = method.published_options.changed(wanted)  # third-party files declare nothing else
            yield ModelArguments(method, options, options.input_height, preprocessing, named)

    return ModelStore(*choices_of_method())
