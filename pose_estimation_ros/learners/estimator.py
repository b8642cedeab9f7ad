"""Running a pose model: the part of a learner that the node and most commands use."""

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import ModelPipeline, Result
from pose_estimation_ros.learners.runner import Looks, PipelineKind, Runner
from pose_estimation_ros.learners.settings import backend_settings
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.models.export import calibration_inputs
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.tracking.tracker import Tracker

LOG = logging.getLogger(__name__)

Exported = Literal['fp32', 'fp16', 'int8']
"""Precisions that a model can be exported in."""


class _ModelMethod:
    """The method of an estimator's model, or the default method of the system that a class is the learner of."""

    def __get__(self, estimator: 'PoseEstimator | None', kind: 'type[PoseEstimator]') -> Method:
        if estimator is not None:
            return estimator._model.method
        paths = [f'{each.__module__}:{each.__qualname__}' for each in kind.__mro__]
        systems = {system.learner: system for system in SYSTEMS.values()}
        found = next((systems[path] for path in paths if path in systems), None)
        if found is None:
            raise AttributeError(f'{kind.__name__} is not the learner of a system; ask one of its objects')
        return found.method


class PoseEstimator:
    """A pose model that can be loaded, run, made faster and saved, composed of a store, a runner and a tracker."""

    takes_boxes: ClassVar[bool] = False
    """Whether it takes person boxes (top-down) instead of whole images."""
    method = _ModelMethod()
    """The published system, with the skeleton of the loaded model; of a class, its system's default."""
    explicit: frozenset[str] = frozenset()
    """Names of the constructor's arguments that the caller passed."""

    def __init__(self, arguments: Mapping[str, Any], model: ModelStore, kind: PipelineKind[Any]) -> None:
        """Create an estimator from the learner's constructor arguments, an empty model store and a pipeline kind."""
        self.temp_path = Path(arguments.get('temp_path', 'temp'))
        self.backend_settings = backend_settings(arguments)
        self.tracker: Tracker = arguments.get('tracker') or Tracker()
        self._model = model
        self._runner: Runner[Any] = Runner(model, self.backend_settings, kind, arguments.get('decoding') or {})

    @property
    def given(self) -> frozenset[str]:
        """The former name of `explicit`."""
        warnings.warn('given is now called explicit; the old name goes with the next version', DeprecationWarning, 2)
        return self.explicit

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError if there is none."""
        return self._model.network

    @property
    def options(self) -> Any:
        """The network's options, None if the model file does not declare them."""
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
            upsample_ratio: Keypoint positions per map cell in each direction; None for the decoder's setting.
            track: Treat successive images as a video with persistent ids; `reset()` starts a new one.
            smooth: Smooth keypoints over time; only with `track`.
            stamp: Time at which the image was taken, in seconds; None for this machine's clock.
            boxes: Person boxes, for learners that take them; None runs their detector.

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
        """Return the people in the next image of a video; the caller then updates `tracker` with them.

        Learners may search around the people of earlier images; some use `stamp`, the time of the image in seconds.
        """
        return self.infer_timed(img, upsample_ratio, boxes)

    def infer_batch(
        self,
        images: Sequence[ImageLike],
        upsample_ratio: int | None = None,
        boxes: Sequence[Boxes | None] | None = None,
    ) -> list[Result]:
        """Return the people in several unrelated images, sharing forward passes if possible."""
        self._refuse_boxes(boxes)
        return self.pipeline(upsample_ratio).batch([to_bgr(image) for image in images])

    def _refuse_boxes(self, boxes: object) -> None:
        if boxes is not None and not self.takes_boxes:
            raise SettingsError(f'{type(self).__name__} takes no boxes: it finds people in whole images')

    def pipeline(self, upsample_ratio: int | None = None) -> ModelPipeline:
        """Return the pipeline from image to poses; the first call opens the backend."""
        pipeline: ModelPipeline = self._runner.pipeline(upsample_ratio=upsample_ratio)
        return pipeline

    def scoring_pipeline(self, upsample_ratio: int | None = None) -> ModelPipeline:
        """Return the pipeline for evaluation, with the method's scoring settings (it may return more keypoints)."""
        pipeline: ModelPipeline = self._runner.pipeline(self.method.scoring, upsample_ratio=upsample_ratio)
        return pipeline

    def tune(self, base_height: int | None = None, **settings: Any) -> None:
        """Change the input height and decoder settings of the running pipeline, without reloading the model."""
        self._runner.tune(base_height, **settings)

    def look(self, scales: Sequence[float] = (1.0,), flip: bool = False) -> None:
        """Run every image at these scales, and mirrored too with `flip`, and merge the network's outputs."""
        self._runner.looks = Looks(tuple(scales), flip)

    def reset(self) -> None:
        """Forget the people of earlier images: ids restart at 0, smoothing starts over."""
        self.tracker.reset()

    def init_model(self) -> None:
        """Build a network with this learner's options and random weights, for training."""
        self._model.build()
        self.reset()

    def count_parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(each.numel() for each in self.network.parameters() if each.requires_grad)

    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model: a saved folder, a published checkpoint, ONNX or OpenVINO file.

        Args:
            path: The folder or file; None for the model included in the package.
            verbose: Print what was loaded.
            trust: Let a .pth file create any Python object, if it needs to. It can run arbitrary code: use it only for
                files you trust.

        Raises:
            WeightsError: The model cannot be read or does not fit, or the package includes none for this system.

        """
        in_torch = self.backend_settings.backend == 'torch'
        text = self._model.load(None if path is None else Path(path), trust, in_torch)
        self.reset()
        LOG.info(text)
        if verbose:
            print(text)

    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model and its description to the folder `path`; files are named after it (.pth, .onnx or .xml)."""
        written = self._model.save(Path(path))
        if verbose:
            print(f'saved {written}')

    def optimize(
        self, do_constant_folding: bool = False, *, precision: Exported = 'fp32', calibration: Iterable[ImageLike] = ()
    ) -> None:
        """Convert the model to ONNX with dynamic batch, height and width; `infer` and `save` then use it.

        Top-down models keep their crop's height and width.

        Args:
            do_constant_folding: Fold constant expressions at export.
            precision: fp32, fp16 (GPUs) or int8 (CPUs; static quantisation).
            calibration: For int8, a few dozen typical images; of one person each for learners that take boxes.

        Raises:
            BackendError: A package is missing, or the model cannot be exported to ONNX.

        """
        inputs = calibration_inputs(calibration, self._runner.pipeline)
        self._model.export(self.temp_path, precision, inputs, do_constant_folding)

    def optimized_content(self) -> bytes:
        """Return the ONNX model that `optimize` made; raises BackendError if it has not run."""
        return self._model.exported_content()
