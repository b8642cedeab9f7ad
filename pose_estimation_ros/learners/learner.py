"""What all learners offer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.image import ImageLike
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import ModelPipeline, Result
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.tracking.tracker import Tracker

Exported = Literal['fp32', 'fp16', 'int8']
"""Precisions that a model can be exported in."""


class Learner(ABC):
    """A pose estimator that can be trained, evaluated, loaded, run, made faster and saved.

    The methods from `fit` to `download` are the published API; command line and node use the others as well.
    Arguments that learners have in common are told here, the others where they are.

    Args:
        lr: Learning rate of Adam.
        epochs: Of training.
        batch_size: Items a training step.
        device: auto, cpu, cuda or cuda:N; 'cuda' where there is none warns and runs on the CPU.
        backbone: The network's body.
        lr_schedule: A function of the optimizer in the place of the published schedule.
        temp_path: Folder for checkpoints, downloads and other files that come up.
        checkpoint_after_iter: Steps between checkpoints.
        checkpoint_load_iter: Checkpoint to begin with.
        val_after: Steps between validations.
        log_after: Steps between log entries.
        batches_per_iter: Batches whose gradients are added up.
        experiment_name: Of checkpoints' folder and logs.
        num_workers: Processes that load pictures.
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
        tracker: Who owns ids and smoothing, such as flow_tracker(); None for the default.
        require_device: Refuse to run on the CPU where a CUDA device is asked for and not there.

    """

    tracker: Tracker
    temp_path: Path

    @property
    @abstractmethod
    def method(self) -> Method:
        """The published system, in the skeleton of the model that is loaded."""

    @abstractmethod
    def fit(self, dataset: Any, val_dataset: Any = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Train on a dataset, from the weights loaded or, where none are, from the backbone's ImageNet weights.

        Checkpoints go to `temp_path/<experiment_name>_checkpoints`. Ctrl-C writes one more before it ends training.

        Args:
            dataset: An ExternalDataset of COCO's form, a DatasetIterator or a KeypointDataset.
            val_dataset: What the network is scored on every `val_after` iterations and at the end; None does not.
            logging_path: Folder for TensorBoard's files; None or '' writes none.
            logging_flush_secs: How often these are brought up to date.
            silent: Print nothing, show no bar.
            verbose: Print scores on the way, besides the bar.
            epochs: In place of the constructor's.
            images_folder_name: Folder of pictures in the dataset's.
            annotations_filename: COCO annotations in the dataset's folder or its folder `annotations`.
            val_images_folder_name: The same for val_dataset.
            val_annotations_filename: The same for val_dataset.
            transform: Augmentation to network inputs of one size; None for the published one.
            seed: Of weights, order and augmentation.

        Returns:
            heatmap_losses by iteration, eval_results_list with a dictionary like `eval`'s each.

        Raises:
            DatasetError: Pictures or annotations are missing or broken.
            WeightsError: A checkpoint or the backbone's weights cannot be read, or not be fetched.

        """

    @abstractmethod
    def eval(self, dataset: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return COCO's average precision and recall on a dataset; detections go to `temp_path/output_name`.

        Args:
            dataset: An ExternalDataset of COCO's form, a DatasetIterator or a KeypointDataset.
            silent: Print nothing, show no bar.
            verbose: Print COCO's table.
            images_folder_name: Folder of pictures in the dataset's.
            annotations_filename: COCO annotations in the dataset's folder or its folder `annotations`.

        Returns:
            average_precision: AP, AP50, AP75, APm, APl; average_recall: the same five.

        """

    @abstractmethod
    def infer(self, img: ImageLike, *args: Any, **kwargs: Any) -> list[Pose]:
        """Return the people in a picture, [] when there are none.

        Args:
            img: An Image, an (H, W, 3) BGR array or the path of a picture.
            upsample_ratio: How much finer than the network's maps keypoints are placed.
            track: Give ids that last from picture to picture; `reset()` forgets them.
            smooth: Smooth keypoints over time; only with `track`.
            stamp: When the picture was taken, in seconds; None takes this machine's clock.

        """

    @abstractmethod
    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model and its description to the folder `path`, as path's last part .pth, .onnx or .xml."""

    @abstractmethod
    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model: a saved folder, a published checkpoint, ONNX or OpenVINO file.

        Args:
            path: The folder or file; the model that comes with the package unless given.
            verbose: Print what was loaded.
            trust: Let a .pth file that needs it build any Python object. It can run any code: own files only.

        Raises:
            WeightsError: It cannot be read or does not fit, or none of this method comes with the package.

        """

    @abstractmethod
    def optimize(
        self, do_constant_folding: bool = False, *, precision: Exported = 'fp32', calibration: Iterable[ImageLike] = ()
    ) -> None:
        """Turn the model into ONNX of any batch, height and width; `infer` and `save` then use that.

        Crops keep their height and width.

        Args:
            do_constant_folding: Calculate at export what depends on constants alone.
            precision: fp32, fp16 (GPUs) or int8 (CPUs; static quantisation).
            calibration: For int8, some dozens of typical pictures, of one person each for methods that see persons.

        Raises:
            BackendError: A package is missing, or the model has no form that can be exported.

        """

    @abstractmethod
    def reset(self) -> None:
        """Forget the people of earlier pictures: ids start at 0 again, smoothing afresh."""

    @abstractmethod
    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = ''
    ) -> list[Path]:
        """Fetch published files and return where they are.

        Args:
            path: Folder to write to; None is the learner's temp_path.
            mode: What to fetch.
            verbose: Show progress and say where files went.
            url: Server and folder to fetch from, in the place of the publisher's.

        """

    @abstractmethod
    def pipeline(self, upsample_ratio: int = 4) -> ModelPipeline:
        """Return what turns pictures into poses, opening the backend on the first call."""

    @abstractmethod
    def infer_timed(self, img: ImageLike, upsample_ratio: int = 4) -> Result:
        """Return the people in one picture, untracked, with the milliseconds of each stage."""

    def infer_next(self, img: ImageLike, upsample_ratio: int = 4, *, stamp: float | None = None) -> Result:
        """Return the same for the next picture of a video, whose people the caller then tells `tracker` of.

        Who can make use of knowing them, or of when the picture was taken (`stamp`, in seconds), does.
        """
        return self.infer_timed(img, upsample_ratio)

    @abstractmethod
    def infer_batch(self, images: Sequence[ImageLike], upsample_ratio: int = 4) -> list[Result]:
        """Return the people in several unrelated pictures."""

    def scoring_pipeline(self, upsample_ratio: int = 4) -> ModelPipeline:
        """Return what evaluations run: the same, unless a method gives out fewer keypoints than it is scored by."""
        return self.pipeline(upsample_ratio)

    @abstractmethod
    def tune(self, base_height: int | None = None, **decoding: Any) -> None:
        """Change while running what needs no new model: the height, and settings of the decoder by name."""

    @abstractmethod
    def optimized_content(self) -> bytes:
        """Return the ONNX model that `optimize` made; raises BackendError where it has not run."""
