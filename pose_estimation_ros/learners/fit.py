"""`fit` of the learners: the published arguments as settings of the training engine."""

import logging
import math
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.interrupt import TERMINATED, ending_on_interrupt
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.evaluation.coco_score import NUMBERS, CocoScore
from pose_estimation_ros.evaluation.scored_images import ScoredImages
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.learners.evaluate import published_numbers
from pose_estimation_ros.learners.settings import TrainingSettings
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.training.folders import TrainingFolders
from pose_estimation_ros.training.settings import (
    EngineSettings,
    LoggingSettings,
    OptimizerSettings,
    ScheduleSettings,
    TrainerSettings,
)

if TYPE_CHECKING:
    from pose_estimation_ros.training.engine import TrainingResult
    from pose_estimation_ros.training.task import Task

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fit:
    """One `fit` of a learner; the fields from `logging_path` on are its arguments."""

    method: Method
    training: TrainingSettings
    backend: BackendSettings
    temp_path: Path
    logging_path: str | Path | None
    """Folder of TensorBoard's files; empty writes none."""
    logging_flush_secs: int
    silent: bool
    verbose: bool
    epochs: int | None
    """Overrides the constructor's."""
    seed: int

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError(f'epochs must be 1 or more, got {self.epochs}')

    @property
    def prints(self) -> bool:
        """Whether more than a bar is printed."""
        return self.verbose and not self.silent

    @property
    def folders(self) -> TrainingFolders:
        """Folders of the published code: checkpoints in temp_path, logs in the caller's folder."""
        checkpoints = self.temp_path / f'{self.training.experiment_name}_checkpoints'
        logs = Path(self.logging_path or self.temp_path / 'logs')
        return TrainingFolders(checkpoints, logs, checkpoints / 'images')

    @property
    def settings(self) -> EngineSettings:
        """The engine's settings for the published arguments."""
        training, published = self.training, self.method.training
        accelerated: Literal['auto', 'cuda'] = 'auto' if self.backend.may_fall_back else 'cuda'
        return EngineSettings(
            optimizer=OptimizerSettings(**{**published.optimizer, 'lr': training.lr}),
            schedule=ScheduleSettings(**published.schedule),
            trainer=TrainerSettings(
                max_epochs=training.epochs if self.epochs is None else self.epochs,
                batch_size=training.batch_size,
                batches_per_iter=training.batches_per_iter,
                num_workers=training.num_workers,
                device='cpu' if self.backend.device == 'cpu' else accelerated,
                checkpoint_after=training.checkpoint_after_iter,
                val_after=training.val_after,
            ),
            logging=LoggingSettings(
                log_after=training.log_after,
                tensorboard=bool(self.logging_path),
                flush_secs=self.logging_flush_secs,
                experiment=training.experiment_name,
                progress=not self.silent,
            ),
            seed=self.seed,
            first_iteration=training.checkpoint_load_iter if training.weights_only else 0,
        )

    def checkpoint(self) -> Path | None:
        """Return the checkpoint of `checkpoint_load_iter`; raises SettingsError if it does not exist."""
        if not self.training.checkpoint_load_iter:
            return None
        path = self.folders.checkpoint(self.training.checkpoint_load_iter)
        if not path.exists():
            there = ', '.join(each.name for each in self.folders.written()) or 'none'
            raise SettingsError(f'checkpoint_load_iter names {path}, which does not exist; there are: {there}')
        return path

    def prepare(self, model: ModelStore, fetch_backbone: Callable[[], Path]) -> None:
        """Give a model a network to train: the loaded one, the requested checkpoint, or a new one.

        `fetch_backbone` returns a file of ImageNet weights that a new network's backbone starts from.
        """
        checkpoint = self.checkpoint()
        model.prepare_training()
        if checkpoint is not None:
            if not model.is_embedded:
                model.build(self.seed)
            state_dict, _ = self.method.read_checkpoint(checkpoint, model.options)
            LOG.info(self.method.fit_weights(model.network, state_dict, str(checkpoint), new_parts=True))
        elif not model.has_network:
            backbone = fetch_backbone()
            model.build(self.seed)
            LOG.info(self.method.load_backbone(model.network, backbone))

    def run(
        self,
        model: ModelStore,
        dataset: KeypointDataset,
        transform: Transform | None,
        scored: ScoredImages | None,
        losses: Mapping[str, str],
    ) -> dict[str, Any]:
        """Train a model's network in place and return what OpenDR's `fit` returns.

        Without a transform it is the published augmentation; without scored images nothing is validated. `losses` has
        keys of the result, and the ending of the losses that each sums up.

        Raises:
            KeyboardInterrupt: Ctrl-C came; a checkpoint has been written and the network is as it was then.
            SystemExit: The same for SIGTERM.

        """
        task = self._task(model, dataset, transform, scored)
        if self.prints:
            print(f'training on {counted(len(dataset), "image")}; checkpoints go to {self.folders.checkpoints}')
        try:
            result = self._train(task)
        finally:
            model.network.cpu().eval()
            model.discard_export()
        returned: dict[str, Any] = {}
        for key, ending in losses.items():  # of every iteration, all stages together
            stages = [values for name, values in result.losses.items() if name.endswith(ending)]
            returned[key] = [sum(values) for values in zip(*stages, strict=True)]
        scores = [CocoScore(*(each.get(name, math.nan) for name in NUMBERS)) for each in result.evaluations]
        return {**returned, 'eval_results_list': [published_numbers(score) for score in scores]}

    def _task(
        self, model: ModelStore, dataset: KeypointDataset, transform: Transform | None, scored: ScoredImages | None
    ) -> 'Task':
        from pose_estimation_ros.training.pose.inputs import INPUTS
        from pose_estimation_ros.training.pose.task import PoseData, PoseTask
        from pose_estimation_ros.training.pose.validation import CocoValidation, pipeline_of

        method, options, pixels = self.method, model.options, model.loaded.preprocessing
        validation = None
        if scored is not None:
            pipeline = pipeline_of(method, options, model.loaded.base_height, preprocessing=pixels)
            validation = CocoValidation(scored, pipeline, INPUTS[method.sees].on_boxes, verbose=self.prints)
        data = PoseData(dataset, transform or method.augmentation(options), method.objective(options))
        return PoseTask(method, model.network, data, pixels, validation)

    def _train(self, task: 'Task') -> 'TrainingResult':
        schedule = self.training.lr_schedule
        resume = None if self.training.weights_only else self.checkpoint()
        return run_training(task, self.settings, self.folders, resume, schedule if callable(schedule) else None)


def run_training(
    task: 'Task',
    settings: EngineSettings,
    folders: TrainingFolders,
    resume: Path | None = None,
    schedule: Callable[[Any], Any] | None = None,
) -> 'TrainingResult':
    """Train until the end or a signal; raises KeyboardInterrupt or SystemExit after the checkpoint that it causes."""
    from pose_estimation_ros.training.engine import train

    with ending_on_interrupt(True, signal.SIGTERM) as stop:
        result = train(task, settings, folders, resume, lambda: stop.requested, schedule)
    if result.stopped and stop.terminated:
        sys.exit(TERMINATED)
    if result.stopped:
        raise KeyboardInterrupt(f'training stopped at iteration {result.iteration}, with a checkpoint')
    return result
