"""The classifier of images, with the methods of the learners as far as they have a meaning for it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from pose_estimation_ros.classification.options import ClassifierOptions
from pose_estimation_ros.classification.preprocess import InputSettings, network_input
from pose_estimation_ros.classification.scores import BEST, Prediction, best_predictions, scores_of
from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import DatasetError, SettingsError, WeightsError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.inference.backends.backend import Backend, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.learners.settings import backend_settings, training_settings
from pose_estimation_ros.models.classifier import ClassifierModel, load_classifier, new_classifier, save_classifier
from pose_estimation_ros.models.export import export_model
from pose_estimation_ros.training.settings import LoggingSettings

LOG = logging.getLogger(__name__)


class ImageClassifier:
    """HRNet (Wang et al., 2019) as a classifier of images: names and probabilities of what an image shows.

    Args:
        input_size: Size in pixels that the short side of images is resized to; None for what the weights file declares,
            else 256.
        crop_size: Side of the square in the middle that is classified; 0 for the input size, None as above.
        labels: Names of the classes by index; None for those that the weights file declares, else numbers.
        width: Channels of the finest branch of a new network; 32 or 48 in published ones.
        stem_width: Channels of the first layers of a new network; 64 in published ones.
        classes: Number of classes of a new network.
        device: auto, cpu, cuda or cuda:N; 'cuda' without such a device warns and runs on the CPU.
        temp_path: Folder for exported models.
        half_precision: fp16 on GPUs.
        backend: auto, torch, onnxruntime or openvino.
        precision: fp32, fp16 or bf16; `half_precision` means fp16.
        providers: ONNX Runtime's execution providers by name, in order.
        threads: CPU threads, 0 for the backend's own choice.
        channels_last: Memory layout of the torch backend.
        require_device: Raise where the CUDA device that is asked for is missing, instead of running on the CPU.
        lr: Learning rate of SGD; it falls to a tenth at epochs 30, 60 and 90.
        epochs: Number of epochs of `fit`.
        batch_size: Images that are trained on at once.
        checkpoint_after_iter: Iterations between checkpoints; 0 writes none.
        val_after: Iterations between validations.
        log_after: Iterations between entries in the logs.
        batches_per_iter: Batches whose gradients are accumulated before each iteration.
        experiment_name: First part of the name of the checkpoints' folder.
        num_workers: Processes that load images; 0 loads in this one.

    """

    def __init__(
        self,
        input_size: int | None = None,
        crop_size: int | None = None,
        labels: Sequence[str] | None = None,
        *,
        width: int = 32,
        stem_width: int = 64,
        classes: int = 1000,
        device: str = 'cuda',
        temp_path: str | Path = 'temp',
        half_precision: bool = False,
        backend: str = 'auto',
        precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32',
        providers: Sequence[str] = (),
        threads: int = 0,
        channels_last: bool = False,
        require_device: bool = False,
        lr: float = 0.1,
        epochs: int = 100,
        batch_size: int = 80,
        checkpoint_after_iter: int = 5000,
        val_after: int = 5000,
        log_after: int = 100,
        batches_per_iter: int = 1,
        experiment_name: str = 'default',
        num_workers: int = 8,
    ) -> None:
        self._training = training_settings(dict(locals()))
        self._backend_settings = backend_settings(dict(locals()))
        self._options = ClassifierOptions(width, stem_width, classes)
        self._labels = None if labels is None else tuple(labels)
        self._sizes = input_size, crop_size
        InputSettings().changed(*self._sizes)  # refuses wrong sizes now
        self.temp_path = Path(temp_path)
        self._loaded: ClassifierModel | None = None
        self._opened: tuple[Model, Backend] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes by index."""
        return self._model.labels

    @property
    def is_named(self) -> bool:
        """Whether the classes have names, not just numbers."""
        return self._model.named

    @property
    def input(self) -> InputSettings:
        """How images become the network's input."""
        return self._model.input

    @property
    def network(self) -> Any:
        """The torch module; raises WeightsError if there is none."""
        if self._model.source.network is None:
            raise WeightsError('there is no torch network: load a .pth file or call init_model() first')
        return self._model.source.network

    def infer(self, img: ImageLike, top: int = BEST) -> list[Prediction]:
        """Return the most probable classes of an image, the best first."""
        return self.infer_batch([img], top)[0]

    def infer_batch(self, images: Sequence[ImageLike], top: int = BEST) -> list[list[Prediction]]:
        """Return the most probable classes of each of several images, classified in one pass."""
        if top < 1:
            raise SettingsError(f'top must be a whole number above 0, got {top}')
        return [best_predictions(each, self.labels, top) for each in self.logits(images)]

    def logits(self, images: Sequence[ImageLike]) -> FloatArray:
        """Return the logits (N, classes) of images."""
        model = self._model
        batch = np.stack([network_input(to_bgr(image), model.input) for image in images])
        return self._backend()(batch)[0][:, :, 0, 0]

    def eval(
        self, images: Sequence[tuple[ImageLike, int]], batch_size: int = 32, silent: bool = False
    ) -> dict[str, float]:
        """Return top1_error, top5_error and cross_entropy on images, each with the index of its class.

        Args:
            images: Such as those of `class_folders`.
            batch_size: Images that are classified in one pass.
            silent: Show no bar.

        """
        if not images:
            raise DatasetError('there are no images to classify; choose another folder')
        if batch_size < 1:
            raise SettingsError(f'batch_size must be a whole number above 0, got {batch_size}')
        parts = []
        with tqdm(total=len(images), desc='classify', unit='image', leave=False, disable=silent) as bar:
            for start in range(0, len(images), batch_size):
                batch = images[start : start + batch_size]
                parts.append(self.logits([image for image, _ in batch]))
                bar.update(len(batch))
        return scores_of(np.concatenate(parts), np.array([target for _, target in images]))

    def fit(
        self,
        dataset: Sequence[tuple[ImageLike, int]],
        val_dataset: Sequence[tuple[ImageLike, int]] | None = None,
        logging_path: str | Path | None = '',
        logging_flush_secs: int = 30,
        silent: bool = False,
        epochs: int | None = None,
        *,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Train on images, from the loaded weights or, without any, from random ones.

        Checkpoints go to `temp_path/<experiment_name>_checkpoints`. Ctrl-C writes one more before it ends training.

        Args:
            dataset: Images or their paths, each with the index of its class, such as those of `class_folders`.
            val_dataset: The same for validation, every `val_after` iterations and at the end; None for no validation.
            logging_path: Folder for TensorBoard's files; None or '' writes none.
            logging_flush_secs: Seconds between writing them to disk.
            silent: No progress bar.
            epochs: Overrides the constructor's.
            seed: Of random weights, order and augmentation.

        Returns:
            `losses` by iteration, and `eval_results_list` with loss, top1_error, top5_error and iteration each.

        Raises:
            DatasetError: An image is of a class that the network does not have.
            SettingsError: There are too few images for a batch.

        """
        from pose_estimation_ros.learners.classifier_fit import ClassifierFit

        log = LoggingSettings(
            log_after=self._training.log_after,
            tensorboard=bool(logging_path),
            flush_secs=logging_flush_secs,
            progress=not silent,
        )
        fit = ClassifierFit(
            self._training, self._backend_settings, log, self._training.epochs if epochs is None else epochs, seed
        )
        if self._loaded is None:
            self.init_model(seed)
        model, network = self._model, self.network
        try:
            return fit.run(
                network, model, dataset, val_dataset, self.temp_path, Path(logging_path or self.temp_path / 'logs')
            )
        finally:  # weights have changed, however training ended
            network.cpu().eval()
            self._opened = None

    def name_classes(self, labels: Sequence[str]) -> None:
        """Give the classes their names by index; raises SettingsError for another number of classes."""
        self._loaded = self._model.with_labels(tuple(labels))

    def init_model(self, seed: int | None = None) -> None:
        """Build a network with random weights; a seed makes them repeatable."""
        if seed is not None:
            import torch

            torch.manual_seed(seed)
        self._take(new_classifier(self._options))

    def load(self, path: str | Path, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model: a saved folder, a published checkpoint, ONNX or OpenVINO file.

        Args:
            path: The folder or file.
            verbose: Print what was loaded.
            trust: Let a .pth file create any Python object, if it needs to. It can run arbitrary code: use it only for
                files you trust.

        Raises:
            WeightsError: The model cannot be read or is not a classifier.
            SettingsError: The constructor's labels are not as many as the model's classes.

        """
        self._take(load_classifier(Path(path), trust))
        LOG.info(self._model.text)
        if verbose:
            print(self._model.text)

    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model and its description to the folder `path`; files are named after it (.pth, .onnx or .xml)."""
        written = save_classifier(self._model, Path(path))
        if verbose:
            print(f'saved {written}')

    def optimize(
        self,
        do_constant_folding: bool = False,
        *,
        precision: Literal['fp32', 'fp16', 'int8'] = 'fp32',
        calibration: Iterable[ImageLike] = (),
    ) -> None:
        """Convert the model to ONNX with dynamic batch, height and width; `infer` and `save` then use it.

        Args:
            do_constant_folding: Fold constant expressions at export.
            precision: fp32, fp16 (GPUs) or int8 (CPUs; static quantisation).
            calibration: For int8, a few dozen typical images.

        Raises:
            BackendError: A package is missing, or the model cannot be exported to ONNX.

        """
        model = self._model
        images = [to_bgr(image) for image in calibration]
        inputs = (network_input(image, model.input)[None] for image in images)
        content = export_model(
            model.source, self.temp_path, model.metadata(), precision, inputs if images else None, do_constant_folding
        )
        source = Model(model.source.channels, onnx=content, label='the optimized model')
        self._loaded = replace(model, source=source, optimized=True)

    @property
    def _model(self) -> ClassifierModel:
        if self._loaded is None:
            raise WeightsError('no weights are loaded: call load(path) or init_model() first')
        return self._loaded

    def _take(self, model: ClassifierModel) -> None:
        named = model if self._labels is None else model.with_labels(self._labels)
        self._loaded = replace(named, input=model.input.changed(*self._sizes))

    def _backend(self) -> Backend:
        """Return what runs the model, opened when it is first needed."""
        source, opened = self._model.source, self._opened
        if opened is None or opened[0] is not source:
            settings = self._backend_settings
            if source.network is None and settings.backend == 'torch':
                settings = replace(settings, backend='auto')  # torch runs no ONNX
            self._opened = opened = (source, open_backend(source, settings))
        return opened[1]
