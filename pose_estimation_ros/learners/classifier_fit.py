"""`fit` of the image classifier: its arguments as settings of the training engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.image import ImageLike
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.learners.fit import run_training
from pose_estimation_ros.learners.settings import TrainingSettings
from pose_estimation_ros.models.classifier import ClassifierModel
from pose_estimation_ros.training.classification.recipe import PUBLISHED, CropSettings
from pose_estimation_ros.training.folders import TrainingFolders
from pose_estimation_ros.training.settings import (
    EngineSettings,
    LoggingSettings,
    OptimizerSettings,
    ScheduleSettings,
    TrainerSettings,
)

Images = Sequence[tuple[ImageLike, int]]


@dataclass(frozen=True, eq=False)
class ClassifierFit:
    """One `fit` of the classifier."""

    training: TrainingSettings
    backend: BackendSettings
    logging: LoggingSettings
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise SettingsError(f'epochs must be 1 or more, got {self.epochs}')

    @property
    def settings(self) -> EngineSettings:
        """The engine's settings: the published ones, with those of the constructor."""
        training = self.training
        return EngineSettings(
            optimizer=OptimizerSettings(**{**PUBLISHED['optimizer'], 'lr': training.lr}),
            schedule=ScheduleSettings(**PUBLISHED['schedule']),
            trainer=TrainerSettings(
                max_epochs=self.epochs,
                batch_size=training.batch_size,
                batches_per_iter=training.batches_per_iter,
                num_workers=training.num_workers,
                device='cpu' if self.backend.device == 'cpu' else 'auto' if self.backend.may_fall_back else 'cuda',
                checkpoint_after=training.checkpoint_after_iter,
                val_after=training.val_after,
            ),
            logging=replace(self.logging, experiment=training.experiment_name),
            seed=self.seed,
        )

    def run(
        self, network: Any, model: ClassifierModel, images: Images, validated: Images | None, temp: Path, logs: Path
    ) -> dict[str, Any]:
        """Train a model's network in place, on inputs of the model's size, and return losses and scores."""
        from pose_estimation_ros.training.classification.images import CroppedImages, require_classes
        from pose_estimation_ros.training.classification.task import ClassificationTask
        from pose_estimation_ros.training.classification.validation import ErrorValidation

        for each in (images, validated or ()):
            require_classes(each, model.options.classes)
        data = CroppedImages(images, CropSettings(model.input.side))
        validation = ErrorValidation(validated, model.input) if validated else None
        checkpoints = temp / f'{self.training.experiment_name}_checkpoints'
        folders = TrainingFolders(checkpoints, logs, checkpoints / 'images')
        task = ClassificationTask(network, data, model.labels, validation)
        result = run_training(task, self.settings, folders)
        return {'losses': result.losses['loss'], 'eval_results_list': result.evaluations}
