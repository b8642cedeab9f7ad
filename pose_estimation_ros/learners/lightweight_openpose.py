"""The published learner API of Lightweight OpenPose, composed of a model, a pipeline and a tracker."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.transforms import Transform
from pose_estimation_ros.inference.pipeline import Pipeline, Result
from pose_estimation_ros.learners.evaluating import Evaluation, chosen_pictures
from pose_estimation_ros.learners.fitting import FitRequest, Fitting
from pose_estimation_ros.learners.given import remembers_given
from pose_estimation_ros.learners.learner import Exported, Learner
from pose_estimation_ros.learners.pictures import Names, training_pictures
from pose_estimation_ros.learners.runner import Runner
from pose_estimation_ros.learners.settings import backend_settings, training_settings
from pose_estimation_ros.learners.whole_picture_asked import whole_picture_holder
from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.published import OPENDR_URL, fetch_published
from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.models.holder import announce
from pose_estimation_ros.models.optimized import calibration_inputs
from pose_estimation_ros.tracking.tracker import Tracker


class LightweightOpenPoseLearner(Learner):
    """Real-time multi-person 2D poses (Osokin 2018), with OpenDR's constructor and methods.

    Arguments up to `half_precision` are the published ones; those that are not told here are Learner's. What a weights
    file says of its network (stages, width, groups, stride, ...) counts where the caller did not name the argument.

    Args:
        backbone: mobilenet, mobilenetv2 or shufflenet; efficientnet_lite was not published.
        mobilenet_use_stride: Halve the maps of mobilenet or efficientnet_lite (stride 16): faster, less accurate.
        mobilenetv2_width: Channels of the mobilenetv2, 1.0 for those of the published one.
        shufflenet_groups: Of the shufflenet's convolutions.
        num_refinement_stages: Stages after the initial one.
        multiscale: Let `eval` see every picture at the four published sizes.
        scales: Sizes for that in place of the published ones.
        base_height: Rows that pictures are scaled to.
        pad_value: What the input is padded with, after normalisation.
        decode: fast, reference (the published demo) or evaluation (the published COCO evaluation).
        variant: published, or omz for the network behind OpenVINO's human-pose-estimation-0001.
        decoding: Settings of the decoder: keypoint_threshold, max_persons, min_keypoints, min_mean_score, ...

    """

    method: ClassVar[Method] = SYSTEM.method
    given: frozenset[str]

    @remembers_given
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
        arguments = dict(locals())
        self.temp_path = Path(temp_path)
        self.training = training_settings(arguments)
        self.backend_settings = backend_settings(arguments)
        self._backbone = backbone
        self._model = whole_picture_holder(self.method, arguments, self.given)
        self._runner = Runner(self.method, self._model, self.backend_settings, decode, decoding or {})
        self.tracker = tracker or Tracker()

    @property
    def options(self) -> NetworkOptions | None:
        """The network's, None where a model file says nothing of them."""
        options: NetworkOptions | None = self._model.options
        return options

    @property
    def base_height(self) -> int:
        """Rows that pictures are scaled to."""
        return self._model.base_height

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are normalised."""
        return self._model.preprocessing

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

        With `use_val_subset` it is scored on the published choice of `val_subset_size` pictures, otherwise on all.
        """
        request = FitRequest(logging_path, logging_flush_secs, silent, verbose, epochs, seed)
        fitting = Fitting(self.method, self.training, self.backend_settings, self.temp_path, request)
        pictures = training_pictures(dataset, Names(images_folder_name, annotations_filename), self.method.skeleton)
        val_names = Names(val_images_folder_name, val_annotations_filename, 'val_')
        subset = val_subset_size if use_val_subset else None
        scored = None if val_dataset is None else chosen_pictures(val_dataset, val_names, subset, self.temp_path)
        fitting.prepare(self._model, lambda: self._published_backbone(request.tells))
        try:
            return fitting.run(self._model, pictures, transform, scored)
        finally:  # weights have changed, however training ended
            self._runner.close()
            self.reset()

    def eval(
        self,
        dataset: Any,
        silent: bool = False,
        verbose: bool = True,
        use_subset: bool = True,
        subset_size: int = 250,
        images_folder_name: str = 'val2017',
        annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        val_subset: bool | None = None,
    ) -> dict[str, Any]:
        """Return COCO's average precision and recall on a dataset; arguments and result are Learner.eval's.

        With `use_subset`, or `val_subset`, as the documentation calls it, `subset_size` pictures of the published
        choice are scored, which are written to `temp_path/val_subset.json`, otherwise all.
        """
        wanted = use_subset if val_subset is None else val_subset
        names = Names(images_folder_name, annotations_filename)
        pictures = chosen_pictures(dataset, names, subset_size if wanted else None, self.temp_path)
        return Evaluation(self.training, self.temp_path, silent, verbose).numbers(
            self.pipeline().with_looks(self.training.scales), pictures
        )

    def infer(
        self,
        img: ImageLike,
        upsample_ratio: int = 4,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
    ) -> list[Pose]:
        image = to_bgr(img)
        poses = self.infer_timed(image, upsample_ratio).poses
        return self.tracker.update(poses, stamp, smooth, image) if track else poses

    def infer_timed(self, img: ImageLike, upsample_ratio: int = 4) -> Result:
        return self.pipeline(upsample_ratio)(to_bgr(img))

    def infer_batch(self, images: Sequence[ImageLike], upsample_ratio: int = 4) -> list[Result]:
        """Return the people in several unrelated pictures; those of equal size share a forward pass."""
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images])

    def _published_backbone(self, verbose: bool) -> Path:
        """Fetch the backbone's ImageNet weights, from which training starts."""
        if self.options and self.options.variant == 'slim':
            raise WeightsError(
                'the slim variant has no published backbone to start from: call load() for the embedded weights, or'
                ' init_model() for random ones'
            )
        return self.download(mode='weights', verbose=verbose)[0]

    def pipeline(self, upsample_ratio: int = 4) -> Pipeline:
        return self._runner.pipeline(upsample_ratio=upsample_ratio)

    def tune(self, base_height: int | None = None, **decoding: Any) -> None:
        self._runner.tune(base_height, **decoding)

    def reset(self) -> None:
        self.tracker.reset()

    def init_model(self) -> None:
        """Build the network of this learner's options with random weights, for training."""
        self._model.build()
        self.reset()

    def count_parameters(self) -> int:
        """Return the number of trainable values of the network."""
        return sum(each.numel() for each in self.network.parameters() if each.requires_grad)

    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        in_torch = self.backend_settings.backend == 'torch'
        text = self._model.load(None if path is None else Path(path), trust, in_torch)
        self.reset()
        announce(text, verbose)

    def save(self, path: str | Path, verbose: bool = False) -> None:
        written = self._model.save(Path(path), self._backbone)
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
        self,
        path: str | Path | None = None,
        mode: str = 'pretrained',
        verbose: bool = False,
        url: str = OPENDR_URL,
    ) -> list[Path]:
        """Fetch published files and return where they are.

        `mode` is 'pretrained' (a model), 'weights' (the backbone's, for training) or 'test_data' (an annotated image);
        the other arguments are Learner.download's.
        """
        folder = Path(path) if path is not None else self.temp_path
        return fetch_published(mode, self._backbone, folder, url, verbose)
