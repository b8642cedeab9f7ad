"""What `train` prints before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.training.recipe import Recipe

if TYPE_CHECKING:
    from pose_estimation_ros.training.engine import TrainingResult
    from pose_estimation_ros.training.task import Task

TAIL = 100
"""Last iterations whose mean loss is printed."""


@dataclass(frozen=True)
class Report:
    """Prints, in one of several processes alone."""

    folder: Path
    task: 'Task'
    shown: bool

    @property
    def model(self) -> Path:
        """Folder of the saved model."""
        return self.folder / 'model'

    def before(self, recipe: Recipe, summary: Mapping[str, str], weights: str) -> None:
        """Print what is going to happen; `summary` is the task's own."""
        from pose_estimation_ros.training.loader import BatchOrder

        unit, trainer, samples = self.task.unit, recipe.trainer, len(self.task.data)
        order = BatchOrder.of(samples, recipe.settings, unit)
        parameters = sum(each.numel() for each in self.task.network.parameters() if each.requires_grad)
        (first, name), *others = summary.items()
        size = counted(trainer.batch_size * trainer.batches_per_iter, unit)
        self._table(
            {
                first: f'{name}, {parameters / 1e6:.2f} million parameters',
                'weights': weights,
                f'{unit}s': f'{samples}, an epoch is {counted(order.steps, "step")}',
                **dict(others),
                'training': f'{counted(order.total_steps(trainer), "step")} of {size}, until epoch {trainer.max_epochs}'
                ' at most',
                'validation': self._validation(trainer.val_after),
                'results': str(self.folder),
            }
        )

    def results(self, result: 'TrainingResult') -> dict[str, Any]:
        """Return the outcome, ready for JSON."""
        losses = _last_losses(result)
        return {
            'iteration': result.iteration,
            'loss': sum(losses.values()) if losses else None,
            'losses': losses,
            'evaluations': result.evaluations,
            'timings': result.timings,
            'checkpoints': [str(path) for path in result.checkpoints],
            'model': str(self.model),
            'stopped': result.stopped,
        }

    def after(self, result: 'TrainingResult') -> None:
        """Print the outcome."""
        rows = {name: f'{value:.4g}' for name, value in _last_losses(result).items()}
        if result.evaluations:
            last = result.evaluations[-1]
            rows['scores'] = ', '.join(f'{name} {value:.3f}' for name, value in last.items() if name != 'iteration')
        if result.timings['batches']:
            rows |= self._timings(result.timings)
        if result.checkpoints:
            rows['checkpoint'] = str(result.checkpoints[-1])
        rows['model'] = str(self.model)
        self._table({'iteration': str(result.iteration), **rows})

    def _validation(self, after: int) -> str:
        if self.task.validation is None:
            return 'none (data.validation is empty)'
        return f'every {counted(after, "step")} and at the end' if after else 'at the end'

    def _timings(self, timings: dict[str, float]) -> dict[str, str]:
        parts = ', '.join(
            f'{part} {timings[f"{part}_ms"]:.1f}' for part in ('data', 'forward', 'backward', 'optimiser')
        )
        unit = self.task.unit
        speed = f'{timings[f"{unit}s_per_second"]:.1f} {unit}s/s'
        return {
            'ms a batch': f'{timings["total_ms"]:.1f}: {parts}',
            'speed': f'{speed}, {timings["waiting_share"]:.0%} waiting for {unit}s',
        }

    def _table(self, rows: dict[str, str]) -> None:
        if self.shown:
            width = max(map(len, rows)) + 2
            say('\n'.join(f'{name:{width}}{value}' for name, value in rows.items()))


def _last_losses(result: 'TrainingResult') -> dict[str, float]:
    tails = {name: losses[-TAIL:] for name, losses in result.losses.items() if losses}
    return {name: sum(tail) / len(tail) for name, tail in tails.items()}
