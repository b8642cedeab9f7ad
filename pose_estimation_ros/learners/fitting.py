"""`fit` of the learners: the published arguments, brought to the training engine."""

import logging
import math
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.interrupt import TERMINATED, ending_on_interrupt
from pose_estimation_ros.core.words import counted
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.transforms import Transform
from pose_estimation_ros.evaluation.coco_score import CocoScore
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.learners.evaluating import published_numbers
from pose_estimation_ros.learners.pictures import ScoredPictures
from pose_estimation_ros.learners.settings import TrainingSettings
from pose_estimation_ros.learners.validation import CocoValidation
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.training.places import Places
from pose_estimation_ros.training.settings import (
    LoggingSettings,
    OptimizerSettings,
    ScheduleSettings,
    Settings,
    TrainerSettings,
)

if TYPE_CHECKING:
    from pose_estimation_ros.training.parts import TrainingResult
    from pose_estimation_ros.training.validation import Validation

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitRequest:
    """The arguments of one `fit` that concern the engine."""

    logging_path: str | Path | None = ''
    """Folder of TensorBoard's files; empty writes none."""
    logging_flush_secs: int = 30
    silent: bool = False
    verbose: bool = True
    epochs: int | None = None
    """In place of the constructor's."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError(f'epochs must be 1 or more, got {self.epochs}')

    @property
    def tells(self) -> bool:
        """Whether more than a bar is printed."""
        return self.verbose and not self.silent


@dataclass(frozen=True, eq=False)
class Fitting:
    """One `fit` of a learner."""

    method: Method
    training: TrainingSettings
    backend: BackendSettings
    temp_path: Path
    request: FitRequest

    @property
    def places(self) -> Places:
        """Where the published code writes: checkpoints in temp_path, logs where the caller wants them."""
        checkpoints = self.temp_path / f'{self.training.experiment_name}_checkpoints'
        logs = Path(self.request.logging_path or self.temp_path / 'logs')
        return Places(checkpoints, logs, checkpoints / 'pictures')

    @property
    def settings(self) -> Settings:
        """The engine's settings for the published arguments."""
        training, request, published = self.training, self.request, self.method.training
        return Settings(
            optimizer=OptimizerSettings(lr=training.lr, weight_decay=published.weight_decay),
            schedule=ScheduleSettings(milestones=published.milestones, gamma=published.gamma),
            trainer=TrainerSettings(
                max_epochs=training.epochs if request.epochs is None else request.epochs,
                batch_size=training.batch_size,
                batches_per_iter=training.batches_per_iter,
                num_workers=training.num_workers,
                device=self._device,
                checkpoint_after=training.checkpoint_after_iter,
                val_after=training.val_after,
            ),
            logging=LoggingSettings(
                log_after=training.log_after,
                tensorboard=bool(request.logging_path),
                flush_secs=request.logging_flush_secs,
                experiment=training.experiment_name,
                progress=not request.silent,
            ),
            seed=request.seed,
            first_iteration=training.checkpoint_load_iter if training.weights_only else 0,
        )

    def checkpoint(self) -> Path | None:
        """Return the checkpoint that `checkpoint_load_iter` names; raises SettingsError where it is not there."""
        if not self.training.checkpoint_load_iter:
            return None
        path = self.places.checkpoint(self.training.checkpoint_load_iter)
        if not path.exists():
            there = ', '.join(each.name for each in self.places.written()) or 'none'
            raise SettingsError(f'checkpoint_load_iter names {path}, which is not there; there are: {there}')
        return path

    def prepare(self, model: ModelStore, fetch_backbone: Callable[[], Path]) -> None:
        """Have a network to train: the one loaded, the checkpoint asked for, or a new one on ImageNet's backbone.

        `fetch_backbone` returns a file of the backbone's weights; it is called where there is nothing else.
        """
        checkpoint = self.checkpoint()
        model.prepare_training()
        if checkpoint is not None:
            if not model.is_embedded:
                model.build(self.request.seed)
            state_dict, _ = self.method.read_checkpoint(checkpoint, model.options)
            LOG.info(self.method.fit_weights(model.network, state_dict, str(checkpoint), new_parts=True))
        elif not model.has_network:
            backbone = fetch_backbone()
            model.build(self.request.seed)
            LOG.info(self.method.load_backbone(model.network, backbone))

    def run(
        self, model: ModelStore, pictures: KeypointDataset, transform: Transform | None, scored: ScoredPictures | None
    ) -> dict[str, Any]:
        """Train the holder's network in place and return what OpenDR's `fit` returns.

        Raises:
            KeyboardInterrupt: Ctrl-C came; a checkpoint has been written and the network is as it was then.
            SystemExit: The same for SIGTERM.

        """
        validation = None
        if scored is not None:
            validation = CocoValidation(
                self.method,
                scored,
                model.loaded.base_height,
                preprocessing=model.loaded.preprocessing,
                verbose=self.request.tells,
            )
        augment = transform or self.method.augmentation(model.options)
        return published_result(self.train(model, pictures, augment, validation))

    def train(
        self, model: ModelStore, pictures: KeypointDataset, augment: Transform, validation: 'Validation | None'
    ) -> 'TrainingResult':
        """Train the holder's network in place and return what came of it; raises KeyboardInterrupt as `run` does."""
        from pose_estimation_ros.training.parts import Subject
        from pose_estimation_ros.training.run import train

        network = model.network
        schedule = self.training.lr_schedule
        subject = Subject(
            method=self.method,
            network=network,
            objective=self.method.objective(model.options),
            pictures=pictures,
            transform=augment,
            lr_schedule=schedule if callable(schedule) else None,
            preprocessing=model.loaded.preprocessing,
        )
        if self.request.tells:
            print(f'training on {counted(len(pictures), "picture")}; checkpoints go to {self.places.checkpoints}')
        resume = None if self.training.weights_only else self.checkpoint()
        try:
            with ending_on_interrupt(True, signal.SIGTERM) as stop:
                result = train(subject, self.settings, self.places, validation, resume, lambda: stop.asked)
        finally:
            network.cpu().eval()
            model.discard_export()
        if result.stopped and stop.terminated:
            sys.exit(TERMINATED)
        if result.stopped:
            raise KeyboardInterrupt(f'training stopped at iteration {result.iteration}, with a checkpoint')
        return result

    @property
    def _device(self) -> Any:
        if self.backend.device == 'cpu':
            return 'cpu'
        return 'auto' if self.backend.may_fall_back else 'cuda'


def published_result(result: 'TrainingResult') -> dict[str, Any]:
    """Return losses of every iteration, all stages together, and the scores on the way."""
    return {
        'paf_losses': _summed(result, 'paf_loss'),
        'heatmap_losses': _summed(result, 'heatmaps_loss'),
        'eval_results_list': [published_scores(scores) for scores in result.evaluations],
    }


def _summed(result: 'TrainingResult', ending: str) -> list[float]:
    stages = [values for name, values in result.losses.items() if name.endswith(ending)]
    return [sum(values) for values in zip(*stages, strict=True)]


def published_scores(scores: dict[str, float]) -> dict[str, list[float]]:
    """Return a validation's numbers in the form that `eval` returns."""
    names = CocoScore.__dataclass_fields__
    return published_numbers(CocoScore(**{name: scores.get(name, math.nan) for name in names}))
