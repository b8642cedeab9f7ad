"""The published learner API of Lightweight OpenPose, and what all learners of its network share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.image import ImageLike
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.inference.pipeline import Pipeline, check_size
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.runner import Runner, WholeImages
from pose_estimation_ros.learners.settings import normalisation, records_explicit
from pose_estimation_ros.methods.lightweight_openpose.options import STRIDED, NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.published import OPENDR_URL, fetch_published
from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM
from pose_estimation_ros.methods.method import Preprocessing
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.tracking.tracker import Tracker

FIELD_OF_ARGUMENT = {'mobilenet_use_stride': 'use_stride', 'img_mean': 'mean', 'img_scale': 'scale'}
"""Constructor arguments whose field of options or preprocessing has another name."""


class PublishedDefault(int):
    """A default of the published signatures: a setting in `decoding` overrides it, unlike a value that is passed."""


UPSAMPLE_RATIO = PublishedDefault(4)


def ratio_of(upsample_ratio: int | None) -> int | None:
    """Return a ratio that the caller passed, None for the decoder's setting."""
    return None if isinstance(upsample_ratio, PublishedDefault) else upsample_ratio


class NetworkLearner(Learner):
    """Trains, evaluates and downloads networks of Lightweight OpenPose, for all its pipelines."""

    losses: ClassVar[Mapping[str, str]] = {'paf_losses': 'paf_loss', 'heatmap_losses': 'heatmaps_loss'}
    _runner: Runner[Pipeline]

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        super().__init__(arguments, network_model(arguments, self.explicit), WholeImages(arguments['decode']))

    @property
    def base_height(self) -> int:
        """Input height of a whole image in pixels."""
        return self._model.loaded.base_height

    @property
    def preprocessing(self) -> Preprocessing:
        return self._model.loaded.preprocessing

    def fit(  # type: ignore[override]  # use_val_subset is the eighth, as published
        self,
        dataset: Any,
        val_dataset: Any = None,
        logging_path: str | Path | None = '',
        logging_flush_secs: int = 30,
        silent: bool = False,
        verbose: bool = True,
        epochs: int | None = None,
        use_val_subset: bool = True,
        val_subset_size: int = 250,
        images_folder_name: str = 'train2017',
        annotations_filename: str = 'person_keypoints_train2017.json',
        val_images_folder_name: str = 'val2017',
        val_annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        transform: Transform | None = None,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Train on a dataset; arguments and result are Learner.fit's, with paf_losses besides.

        Without `use_val_subset` it is validated on all images.
        """
        return super().fit(
            dataset,
            val_dataset,
            logging_path,
            logging_flush_secs,
            silent,
            verbose,
            epochs,
            val_subset_size if use_val_subset else 0,
            images_folder_name,
            annotations_filename,
            val_images_folder_name,
            val_annotations_filename,
            transform=transform,
            seed=seed,
        )

    def eval(  # type: ignore[override]  # use_subset is the fourth, as published
        self,
        dataset: Any,
        silent: bool = False,
        verbose: bool = True,
        use_subset: bool = True,
        subset_size: int = 250,
        images_folder_name: str = 'val2017',
        annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        upsample_ratio: int | None = None,
        val_subset: bool | None = None,
    ) -> dict[str, Any]:
        """Return COCO's average precision and recall on a dataset; arguments and result are Learner.eval's.

        Without `use_subset`, or `val_subset`, as the documentation calls it, all images are scored.
        """
        wanted = use_subset if val_subset is None else val_subset
        size, names = subset_size if wanted else 0, (images_folder_name, annotations_filename)
        return super().eval(dataset, silent, verbose, size, *names, upsample_ratio=upsample_ratio)

    def infer(
        self,
        img: ImageLike,
        upsample_ratio: int | None = UPSAMPLE_RATIO,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
        boxes: Boxes | None = None,
    ) -> list[Pose]:
        """Return the people in an image, [] when there are none; arguments are Learner.infer's."""
        return super().infer(img, ratio_of(upsample_ratio), track, smooth, stamp=stamp, boxes=boxes)

    def _backbone_weights(self, verbose: bool) -> Path:
        if self.options and self.options.variant == 'slim':
            raise WeightsError(
                'the slim variant has no published backbone to start from: call load() for the embedded weights, or'
                ' init_model() for random ones'
            )
        return super()._backbone_weights(verbose)

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = OPENDR_URL
    ) -> list[Path]:
        """Download published files and return their paths.

        `mode` is 'pretrained' (a model), 'weights' (the backbone's, for training) or 'test_data' (an annotated image);
        the other arguments are Learner.download's.
        """
        folder = Path(path) if path is not None else self.temp_path
        return fetch_published(mode, self._model.arguments.options.backbone, folder, url, verbose)


class LightweightOpenPoseLearner(NetworkLearner):
    """Real-time multi-person 2D poses (Osokin 2018), with OpenDR's constructor and methods.

    Arguments up to `half_precision` are the published ones; those that are not documented here are Learner's. Explicit
    arguments override what a weights file declares of its network (stages, width, groups, stride, ...).

    Args:
        backbone: mobilenet, mobilenetv2 or shufflenet; efficientnet_lite was not published.
        mobilenet_use_stride: Halve the maps of mobilenet or efficientnet_lite (stride 16): faster, less accurate.
        mobilenetv2_width: Channels of the mobilenetv2, 1.0 for those of the published one.
        shufflenet_groups: Of the shufflenet's convolutions.
        num_refinement_stages: Stages after the initial one.
        multiscale: Evaluate every image at the four published scales.
        scales: Scales for that in place of the published ones.
        base_height: Input height in pixels.
        pad_value: Value of the padding, after normalisation.
        decode: fast, reference (the published demo) or evaluation (the published COCO evaluation).
        variant: published, or omz for the network behind OpenVINO's human-pose-estimation-0001.
        decoding: Settings of the decoder: keypoint_threshold, max_persons, min_keypoints, min_mean_score, ...

    """

    @records_explicit
    def __init__(
        self,
        lr: float = 4e-5,
        epochs: int = 280,
        batch_size: int = 80,
        device: str = 'cuda',
        backbone: str = 'mobilenet',
        lr_schedule: str | Callable[[Any], Any] = '',
        temp_path: str | Path = 'temp',
        checkpoint_after_iter: int = 5000,
        checkpoint_load_iter: int = 0,
        val_after: int = 5000,
        log_after: int = 100,
        mobilenet_use_stride: bool = True,
        mobilenetv2_width: float = 1.0,
        shufflenet_groups: int = 3,
        num_refinement_stages: int = 2,
        batches_per_iter: int = 1,
        experiment_name: str = 'default',
        num_workers: int = 8,
        weights_only: bool = True,
        output_name: str = 'detections.json',
        multiscale: bool = False,
        scales: Sequence[float] | None = None,
        visualize: bool = False,
        base_height: int = 256,
        img_mean: Sequence[float] = (128, 128, 128),
        img_scale: float = 1 / 256,
        pad_value: Sequence[float] = (0, 0, 0),
        half_precision: bool = False,
        *,
        backend: str = 'auto',
        precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32',
        providers: Sequence[str] = (),
        threads: int = 0,
        channels_last: bool = False,
        decode: str = 'fast',
        variant: str = 'published',
        tracker: Tracker | None = None,
        decoding: dict[str, Any] | None = None,
        require_device: bool = False,
    ) -> None:
        super().__init__(dict(locals()))


def network_model(arguments: Mapping[str, Any], explicit: frozenset[str]) -> ModelStore:
    """Return a model without weights for a constructor's arguments, of which the caller passed those in `explicit`.

    Raises:
        SettingsError: The network is unknown, or the height is out of range.

    """
    backbone, height, method = arguments['backbone'], arguments['base_height'], SYSTEM.method
    options = NetworkOptions(
        backbone=backbone,
        use_stride=arguments['mobilenet_use_stride'] and _has_stride(backbone, explicit),
        mobilenetv2_width=arguments['mobilenetv2_width'],
        shufflenet_groups=arguments['shufflenet_groups'],
        num_refinement_stages=arguments['num_refinement_stages'],
        variant=arguments['variant'],
    )
    check_size(height)
    fields = frozenset(FIELD_OF_ARGUMENT.get(name, name) for name in explicit)
    preprocessing = normalisation(method.preprocessing, arguments)
    return ModelStore(ModelArguments(method, options, height, preprocessing, fields))


def _has_stride(backbone: str, explicit: frozenset[str]) -> bool:
    """Whether the argument, whose published default is true, is meant for this backbone."""
    return backbone == 'mobilenet' or (backbone in STRIDED and 'mobilenet_use_stride' in explicit)
