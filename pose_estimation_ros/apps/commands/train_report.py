"""What `train` prints before and after."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.training.settings import Recipe

if TYPE_CHECKING:
    from pose_estimation_ros.training.engine import TrainingResult
    from pose_estimation_ros.training.task import Task

TAIL = 100
"""Last iterations whose mean loss is printed."""


def rows_before(recipe: Recipe, task: 'Task', summary: Mapping[str, str], weights: str, folder: Path) -> dict[str, str]:
    """Return what is going to happen, by name; `summary` is the task's own."""
    from pose_estimation_ros.training.loader import BatchOrder

    unit, trainer, samples = task.unit, recipe.trainer, len(task.data)
    order = BatchOrder.of(samples, recipe.settings, unit)
    parameters = sum(each.numel() for each in task.network.parameters() if each.requires_grad)
    (first, name), *others = summary.items()
    size = counted(trainer.batch_size * trainer.batches_per_iter, unit)
    steps = f'{counted(order.total_steps(trainer), "step")} of {size}'
    validation = f'every {counted(trainer.val_after, "step")} and at the end' if trainer.val_after else 'at the end'
    return {
        first: f'{name}, {parameters / 1e6:.2f} million parameters',
        'weights': weights,
        f'{unit}s': f'{samples}, an epoch is {counted(order.steps, "step")}',
        **dict(others),
        'training': f'{steps}, until epoch {trainer.max_epochs} at most',
        'validation': validation if task.validation else 'none (data.validation is empty)',
        'results': str(folder),
    }


def results_of(result: 'TrainingResult', model: Path) -> dict[str, Any]:
    """Return the outcome, ready for JSON."""
    losses = _last_losses(result)
    return {
        'iteration': result.iteration,
        'loss': sum(losses.values()) if losses else None,
        'losses': losses,
        'evaluations': result.evaluations,
        'timings': result.timings,
        'checkpoints': [str(path) for path in result.checkpoints],
        'model': str(model),
        'stopped': result.stopped,
    }


def rows_after(result: 'TrainingResult', task: 'Task', model: Path) -> dict[str, str]:
    """Return the outcome as text, by name."""
    unit, times = task.unit, result.timings
    rows = {'iteration': str(result.iteration)}
    rows |= {name: f'{value:.4g}' for name, value in _last_losses(result).items()}
    if result.evaluations:
        last = result.evaluations[-1]
        rows['scores'] = ', '.join(f'{name} {value:.3f}' for name, value in last.items() if name != 'iteration')
    if times['batches']:
        parts = ', '.join(f'{part} {times[f"{part}_ms"]:.1f}' for part in ('data', 'forward', 'backward', 'optimiser'))
        rows['ms a batch'] = f'{times["total_ms"]:.1f}: {parts}'
        speed = f'{times[f"{unit}s_per_second"]:.1f} {unit}s/s'
        rows['speed'] = f'{speed}, {times["waiting_share"]:.0%} waiting for {unit}s'
    if result.checkpoints:
        rows['checkpoint'] = str(result.checkpoints[-1])
    return {**rows, 'model': str(model)}


def say_table(rows: Mapping[str, str]) -> None:
    """Print names and texts in two columns."""
    width = max(map(len, rows)) + 2
    say('\n'.join(f'{name:{width}}{text}' for name, text in rows.items()))


def _last_losses(result: 'TrainingResult') -> dict[str, float]:
    tails = {name: losses[-TAIL:] for name, losses in result.losses.items() if losses}
    return {name: sum(tail) / len(tail) for name, tail in tails.items()}
