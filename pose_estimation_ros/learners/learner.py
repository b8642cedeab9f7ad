"""What all learners offer, composed of a model, a runner and a tracker."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import DownloadError, SettingsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.transforms import Transform
from pose_estimation_ros.evaluation.scored_images import GROUND_TRUTH, BoxSource, boxes_for
from pose_estimation_ros.inference.pipeline import ModelPipeline, PeoplePipeline, Result
from pose_estimation_ros.learners.datasets import DatasetNames, scored_images, training_images
from pose_estimation_ros.learners.evaluate import Evaluation
from pose_estimation_ros.learners.fit import Fit, FitRequest
from pose_estimation_ros.learners.runner import PipelineKind, Runner
from pose_estimation_ros.learners.settings import backend_settings, training_settings
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.export import calibration_inputs
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.tracking.tracker import Tracker

LOG = logging.getLogger(__name__)

Exported = Literal['fp32', 'fp16', 'int8']
"""Precisions that a model can be exported in."""


class Learner:
    """A pose estimator that can be trained, evaluated, loaded, run, made faster and saved.

    The methods from `fit` to `download` are the published API; command line and node use the others as well. A subclass
    has a constructor and what is particular to its system. Arguments that learners share are documented here.

    Args:
        lr: Learning rate of Adam.
        epochs: Of training.
        batch_size: Samples a training step.
        device: auto, cpu, cuda or cuda:N; 'cuda' where there is none warns and runs on the CPU.
        backbone: Network that extracts the features.
        lr_schedule: A function of the optimizer in the place of the published schedule.
        temp_path: Folder for checkpoints, downloads and exported models.
        checkpoint_after_iter: Steps between checkpoints.
        checkpoint_load_iter: Checkpoint to begin with.
        val_after: Steps between validations.
        log_after: Steps between log entries.
        batches_per_iter: Batches whose gradients are added up.
        experiment_name: Of checkpoints' folder and logs.
        num_workers: Processes that load images.
        weights_only: Take weights alone from a checkpoint, not the training's state.
        output_name: File of `eval` for what it found.
        visualize: Show what `eval` finds.
        img_mean: Of a pixel, in the order of the channels.
        img_scale: What a pixel less the mean is multiplied by.
        half_precision: fp16 on GPUs.
        backend: auto, torch, onnxruntime or openvino.
        precision: fp32, fp16 or bf16; `half_precision` means fp16.
        providers: ONNX Runtime's execution providers by name, in order.
        threads: CPU threads, 0 for the backend's own choice.
        channels_last: Memory layout of the torch backend.
        tracker: Owns ids and smoothing, such as flow_tracker(); None for the default.
        require_device: Raise where the CUDA device that is asked for is missing, instead of running on the CPU.

    """

    takes_boxes: ClassVar[bool] = False
    """Whether it looks at people in boxes (top-down) rather than at whole images."""
    losses: ClassVar[Mapping[str, str]] = {'losses': ''}
    """Keys of what `fit` returns, and the ending of the names of the losses that each sums up."""
    explicit: frozenset[str] = frozenset()
    """Names of the constructor's arguments that the caller passed."""

    def __init__(self, arguments: Mapping[str, Any], model: ModelStore, kind: PipelineKind[Any]) -> None:
        """Compose a learner of its constructor's arguments by name, a model without weights, and a kind of pipeline."""
        self.temp_path = Path(arguments.get('temp_path', 'temp'))
        self.training = training_settings(arguments)
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
        """Train on a dataset, from the loaded weights or, without any, from the backbone's ImageNet weights.

        Checkpoints go to `temp_path/<experiment_name>_checkpoints`. Ctrl-C writes one more before it ends training.

        Args:
            dataset: An ExternalDataset of COCO's form, a DatasetIterator or a KeypointDataset.
            val_dataset: Validation set, used every `val_after` iterations and at the end; None for no validation.
            logging_path: Folder for TensorBoard's files; None or '' writes none.
            logging_flush_secs: Seconds between writing them to disk.
            silent: Print nothing, show no bar.
            verbose: Print validation scores as well.
            epochs: Overrides the constructor's.
            val_subset_size: Validate on the published choice of so many images; 0 for all.
            images_folder_name: Folder of the images in the dataset's folder.
            annotations_filename: COCO annotations in the dataset's folder or its folder `annotations`.
            val_images_folder_name: The same for val_dataset.
            val_annotations_filename: The same for val_dataset.
            transform: Augmentation to network inputs of one size; None for the published one.
            seed: Of random weights, order and augmentation.

        Returns:
            Lists of losses by iteration, such as heatmap_losses, and eval_results_list with a dictionary like `eval`'s
            each.

        Raises:
            DatasetError: Images or annotations are missing or broken.
            WeightsError: A checkpoint or the backbone's weights cannot be read, or not be fetched.

        """
        request = FitRequest(logging_path, logging_flush_secs, silent, verbose, epochs, seed)
        fit = Fit(self.method, self.training, self.backend_settings, self.temp_path, request)
        names = DatasetNames(images_folder_name, annotations_filename)
        images = training_images(dataset, names, self.method, by_person=self.takes_boxes)
        val_names = DatasetNames(val_images_folder_name, val_annotations_filename, 'val_')
        scored = None if val_dataset is None else scored_images(val_dataset, val_names, val_subset_size, self.temp_path)
        fit.prepare(self._model, lambda: self._backbone_weights(request.prints))
        try:
            return fit.run(self._model, images, transform, scored, self.losses)
        finally:  # weights have changed, however training ended
            self._after_training()
            self._runner.close()
            self.reset()

    def _backbone_weights(self, verbose: bool) -> Path:
        """Fetch the backbone's ImageNet weights, from which training starts."""
        return self.download(mode='weights', verbose=verbose)[0]

    def _after_training(self) -> None:
        """Note what training has changed of the network besides its weights."""

    def eval(
        self,
        dataset: Any,
        silent: bool = False,
        verbose: bool = True,
        subset_size: int = 0,
        images_folder_name: str = 'val2017',
        annotations_filename: str = 'person_keypoints_val2017.json',
        *,
        upsample_ratio: int | None = None,
        boxes: BoxSource = GROUND_TRUTH,
    ) -> dict[str, Any]:
        """Return COCO's average precision and recall on a dataset; detections go to `temp_path/output_name`.

        Args:
            dataset: An ExternalDataset of COCO's form, a DatasetIterator or a KeypointDataset.
            silent: Print nothing, show no bar.
            verbose: Print COCO's table.
            subset_size: Score the published choice of so many images, whose annotations are written to
                `temp_path/val_subset.json`; 0 for all.
            images_folder_name: Folder of the images in the dataset's folder.
            annotations_filename: COCO annotations in the dataset's folder or its folder `annotations`.
            upsample_ratio: As in `infer`.
            boxes: For learners that take boxes: ground_truth, whole_image, detector, or a file of COCO's detections.

        Returns:
            average_precision: AP, AP50, AP75, APm, APl; average_recall: the same five.

        """
        names = DatasetNames(images_folder_name, annotations_filename)
        images = scored_images(dataset, names, subset_size, self.temp_path)
        known = boxes_for(boxes, images.truth) if self.takes_boxes else None
        evaluation = Evaluation(self.training, self.temp_path, silent, verbose)
        return evaluation.numbers(self._scored_pipeline(upsample_ratio, boxes), images, known)

    def _scored_pipeline(self, upsample_ratio: int | None, boxes: BoxSource) -> PeoplePipeline:
        """Return what `eval` scores, at the constructor's scales, on boxes of a source."""
        return self.scoring_pipeline(upsample_ratio).with_looks(self.training.scales)

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = ''
    ) -> list[Path]:
        """Fetch published files and return where they are.

        Args:
            path: Folder to write to; None is the learner's temp_path.
            mode: What to fetch.
            verbose: Show progress and print where files went.
            url: Server and folder to fetch from, in the place of the publisher's.

        Raises:
            DownloadError: There is no such file.

        """
        raise DownloadError(f'no files are published for {self.method.name}')

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
