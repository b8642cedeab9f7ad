"""What the recipes of all tasks have in common. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.training.settings import (
    NOT_NEGATIVE,
    EngineSettings,
    LoggingSettings,
    OptimizerSettings,
    ScheduleSettings,
    TrainerSettings,
    require,
)


@dataclass(frozen=True)
class StartSettings:
    """Initial weights of a training; random if not set."""

    backbone: str = setting('', "A published ImageNet file for the network's backbone.")
    checkpoint: str = setting(
        '', 'File of a whole network: only its weights are used, as in the published second and third steps.'
    )
    new_parts: bool = setting(
        False, 'Allow the network to have parts that the checkpoint lacks, such as more refinement stages.'
    )
    iteration: int = setting(0, 'Number that iterations are counted from.', range=NOT_NEGATIVE)

    def __post_init__(self) -> None:
        check_settings(self, 'start.')
        require(not (self.backbone and self.checkpoint), 'start takes a backbone or a checkpoint, not both')


@dataclass(frozen=True)
class Recipe:
    """A training as users write it down: typed values that YAML files and the command line fill in.

    Each task has a subclass with fields of its own (tasks.py).
    """

    task: str = setting('pose', 'What is trained; other tasks have other fields.')
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    start: StartSettings = field(default_factory=StartSettings)
    seed: int = setting(0, 'Seed of weights, order and augmentation.')

    @classmethod
    def defaults(cls, named: Callable[[str], str | None]) -> dict[str, Any]:
        """Return defaults by dotted name that depend on other fields; `named` returns the value given for one."""
        return {}

    @property
    def settings(self) -> EngineSettings:
        """Return what the engine needs to know."""
        require(self.seed >= 0, f'seed must be 0 or more, got {self.seed}')
        return EngineSettings(
            self.optimizer, self.schedule, self.trainer, self.logging, self.seed, self.start.iteration
        )
