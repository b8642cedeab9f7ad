"""Running a pose model: what the node and most commands need of a learner."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import ModelPipeline, Result
from pose_estimation_ros.learners.runner import PipelineKind, Runner
from pose_estimation_ros.learners.settings import backend_settings
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.export import calibration_inputs
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.tracking.tracker import Tracker

LOG = logging.getLogger(__name__)

Exported = Literal['fp32', 'fp16', 'int8']
"""Precisions that a model can be exported in."""


class PoseEstimator:
    """A pose model that can be loaded, run, made faster and saved, composed of a store, a runner and a tracker."""

    takes_boxes: ClassVar[bool] = False
    """Whether it looks at people in boxes (top-down) rather than at whole images."""
    explicit: frozenset[str] = frozenset()
    """Names of the constructor's arguments that the caller passed."""

    def __init__(self, arguments: Mapping[str, Any], model: ModelStore, kind: PipelineKind[Any]) -> None:
        """Compose an estimator of constructor arguments by name, a model without weights and a kind of pipeline."""
        self.temp_path = Path(arguments.get('temp_path', 'temp'))
        self.backend_settings = backend_settings(arguments)
        self.tracker: Tracker = arguments.get('tracker') or Tracker()
        self._model = model
        self._runner: Runner[Any] = Runner(model, self.backend_settings, kind, arguments.get('decoding') or {})

    @property
    def method(self) -> Method:
        """The published system, in the skeleton of the model that is loaded."""
        return self._model.method

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError where there is none."""
        return self._model.network

    @property
    def options(self) -> Any:
        """The network's options, None where a model file does not declare them."""
        return self._model.options

    def infer(
        self,
        img: ImageLike,
        upsample_ratio: int | None = None,
        track: bool = True,
        smooth: bool = True,
        *,
        stamp: float | None = None,
        boxes: Boxes | None = None,
    ) -> list[Pose]:
        """Return the people in an image, [] when there are none.

        Args:
            img: An Image, an (H, W, 3) BGR array or the path of an image.
            upsample_ratio: How much finer than the network's maps keypoints are placed; None for the decoder's setting.
            track: Treat images as a video: ids last from image to image; `reset()` forgets them.
            smooth: Smooth keypoints over time; only with `track`.
            stamp: When the image was taken, in seconds; None takes this machine's clock.
            boxes: Where people are, for learners that take boxes; None lets their detector look.

        """
        image = to_bgr(img)
        if not track:
            return self.infer_timed(image, upsample_ratio, boxes).poses
        poses = self.infer_next(image, upsample_ratio, boxes, stamp=stamp).poses
        return self.tracker.update(poses, stamp, smooth, image)

    def infer_timed(self, img: ImageLike, upsample_ratio: int | None = None, boxes: Boxes | None = None) -> Result:
        """Return the people in one image, untracked, with the milliseconds of each stage."""
        self._refuse_boxes(boxes)
        return self.pipeline(upsample_ratio)(to_bgr(img))

    def infer_next(
        self,
        img: ImageLike,
        upsample_ratio: int | None = None,
        boxes: Boxes | None = None,
        *,
        stamp: float | None = None,
    ) -> Result:
        """Return the same for the next image of a video; the caller then updates `tracker` with the people.

        Learners that can look where people were, or need to know when the image was taken (`stamp`), do.
        """
        return self.infer_timed(img, upsample_ratio, boxes)

    def infer_batch(
        self,
        images: Sequence[ImageLike],
        upsample_ratio: int | None = None,
        boxes: Sequence[Boxes | None] | None = None,
    ) -> list[Result]:
        """Return the people in several unrelated images, which share forward passes where they can."""
        self._refuse_boxes(boxes)
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images])

    def _refuse_boxes(self, boxes: object) -> None:
        if boxes is not None and not self.takes_boxes:
            raise SettingsError(f'{type(self).__name__} takes no boxes: it finds people in whole images')

    def pipeline(self, upsample_ratio: int | None = None) -> ModelPipeline:
        """Return what turns images into poses; the first call opens the backend."""
        pipeline: ModelPipeline = self._runner.pipeline(upsample_ratio)
        return pipeline

    def scoring_pipeline(self, upsample_ratio: int | None = None) -> ModelPipeline:
        """Return what evaluations run: the same, unless a system is scored by more keypoints than `infer` returns."""
        pipeline: ModelPipeline = self._runner.pipeline(upsample_ratio, self.method.scoring)
        return pipeline

    def tune(self, base_height: int | None = None, **settings: Any) -> None:
        """Change while running what needs no new model: the input height, and settings of the decoder by name."""
        self._runner.tune(base_height, **settings)

    def reset(self) -> None:
        """Forget the people of earlier images: ids start at 0 again, smoothing afresh."""
        self.tracker.reset()

    def init_model(self) -> None:
        """Build the network of this learner's options with random weights, for training."""
        self._model.build()
        self.reset()

    def count_parameters(self) -> int:
        """Return the number of trainable values of the network."""
        return sum(each.numel() for each in self.network.parameters() if each.requires_grad)

    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model: a saved folder, a published checkpoint, ONNX or OpenVINO file.

        Args:
            path: The folder or file; None for the model that comes with the package.
            verbose: Print what was loaded.
            trust: Let a .pth file that needs it build any Python object. It can run arbitrary code: use it only for
                files you trust.

        Raises:
            WeightsError: It cannot be read or does not fit, or none of this system comes with the package.

        """
        in_torch = self.backend_settings.backend == 'torch'
        text = self._model.load(None if path is None else Path(path), trust, in_torch)
        self.reset()
        LOG.info(text)
        if verbose:
            print(text)

    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model and its description to the folder `path`, as path's last part .pth, .onnx or .xml."""
        written = self._model.save(Path(path))
        if verbose:
            print(f'saved {written}')

    def optimize(
        self, do_constant_folding: bool = False, *, precision: Exported = 'fp32', calibration: Iterable[ImageLike] = ()
    ) -> None:
        """Turn the model into ONNX of any batch, height and width; `infer` and `save` then use that.

        Crops keep their height and width.

        Args:
            do_constant_folding: Calculate at export what depends on constants alone.
            precision: fp32, fp16 (GPUs) or int8 (CPUs; static quantisation).
            calibration: For int8, some dozens of typical images, of one person each for learners that take boxes.

        Raises:
            BackendError: A package is missing, or the model has no form that can be exported.

        """
        inputs = calibration_inputs(calibration, self._runner.pipeline)
        self._model.export(self.temp_path, precision, inputs, do_constant_folding)

    def optimized_content(self) -> bytes:
        """Return the ONNX model that `optimize` made; raises BackendError where it has not run."""
        return self._model.exported_content()
