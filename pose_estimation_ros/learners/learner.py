"""What all learners offer: the published API, trained and evaluated as the method says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pose_estimation_ros.core.errors import DownloadError
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.evaluation.scored_images import GROUND_TRUTH, BoxSource, boxes_for
from pose_estimation_ros.inference.pipeline import PeoplePipeline
from pose_estimation_ros.learners.datasets import DatasetNames, scored_images, training_images
from pose_estimation_ros.learners.estimator import PoseEstimator
from pose_estimation_ros.learners.evaluate import Evaluation
from pose_estimation_ros.learners.fit import Fit
from pose_estimation_ros.learners.runner import PipelineKind
from pose_estimation_ros.learners.settings import training_settings
from pose_estimation_ros.models.store import ModelStore


class Learner(PoseEstimator):
    """A pose estimator that can be trained, evaluated, loaded, run, made faster and saved.

    The methods from `fit` to `download` are the published API; command line and node use the others as well. A subclass
    has a constructor and what is particular to its system. Arguments that learners share are documented here.

    Args:
        lr: Learning rate of Adam.
        epochs: Of training.
        batch_size: Samples a training step.
        device: auto, cpu, cuda or cuda:N; 'cuda' without such a device warns and runs on the CPU.
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

    losses: ClassVar[Mapping[str, str]] = {'losses': ''}
    """Keys of what `fit` returns, and the ending of the names of the losses that each sums up."""

    def __init__(self, arguments: Mapping[str, Any], model: ModelStore, kind: PipelineKind[Any]) -> None:
        """Compose a learner of its constructor's arguments by name, a model without weights, and a kind of pipeline."""
        super().__init__(arguments, model, kind)
        self.training = training_settings(arguments)

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
            silent: No output and no progress bar.
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
        arguments = logging_path, logging_flush_secs, silent, verbose, epochs, seed
        fit = Fit(self.method, self.training, self.backend_settings, self.temp_path, *arguments)
        names = DatasetNames(images_folder_name, annotations_filename)
        images = training_images(dataset, names, self.method, by_person=self.takes_boxes)
        val_names = DatasetNames(val_images_folder_name, val_annotations_filename, 'val_')
        scored = None if val_dataset is None else scored_images(val_dataset, val_names, val_subset_size, self.temp_path)
        fit.prepare(self._model, lambda: self._backbone_weights(fit.prints))
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
            silent: No output and no progress bar.
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
        flip = self._runner.looks is not None and self._runner.looks.flip
        return self.scoring_pipeline(upsample_ratio).with_looks(self.training.scales, flip)

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = ''
    ) -> list[Path]:
        """Download published files and return their paths.

        Args:
            path: Folder to write to; None is the learner's temp_path.
            mode: What to fetch.
            verbose: Show progress and print where files went.
            url: Server and folder to fetch from, in the place of the publisher's.

        Raises:
            DownloadError: The file does not exist.

        """
        raise DownloadError(f'no files are published for {self.method.name}')
