"""What `train` tells before and after."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.words import counted
from pose_estimation_ros.training.recipe import Recipe

if TYPE_CHECKING:
    from pose_estimation_ros.training.run import Subject, TrainingResult

TAIL = 100
"""Iterations whose mean loss is told at the end."""


@dataclass
class Report:
    """Prints, in one of several processes alone."""

    folder: Path
    shown: bool
    model: Path | None = None

    def before(self, recipe: Recipe, subject: 'Subject', resume: Path | None, told: str) -> None:
        """Say what is going to happen."""
        from pose_estimation_ros.training.run import Plan

        plan = Plan.of(len(subject.pictures), recipe.settings)
        parameters = sum(each.numel() for each in subject.network.parameters() if each.requires_grad)
        trainer = recipe.trainer
        pictures = counted(trainer.batch_size * trainer.batches_per_iter, 'picture')
        steps = f'{counted(plan.steps, "step")} of {pictures}'
        self._table(
            {
                'method': f'{recipe.method}, {parameters / 1e6:.2f} million parameters',
                'weights': told,
                'pictures': f'{len(subject.pictures)}, an epoch is {counted(plan.stream.steps, "step")}',
                **_teacher(recipe),
                'training': f'{steps}, until epoch {trainer.max_epochs} at most',
                'validation': _validation(recipe),
                'results': str(self.folder),
            }
        )

    def results(self, result: 'TrainingResult') -> dict[str, Any]:
        """Return what came of it, ready for JSON."""
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
        """Say what came of it."""
        losses = _last_losses(result)
        rows = {name: f'{value:.4g}' for name, value in losses.items()}
        if result.evaluations:
            last = result.evaluations[-1]
            rows['scores'] = ', '.join(f'{name} {value:.3f}' for name, value in last.items() if name != 'iteration')
        if result.timings['batches']:
            rows |= _timing_rows(result.timings)
        if result.checkpoints:
            rows['checkpoint'] = str(result.checkpoints[-1])
        rows['model'] = str(self.model)
        self._table({'iteration': str(result.iteration), **rows})

    def _table(self, rows: dict[str, str]) -> None:
        if self.shown:
            width = max(map(len, rows)) + 2
            say('\n'.join(f'{name:{width}}{value}' for name, value in rows.items()))


def _validation(recipe: Recipe) -> str:
    if not recipe.data.validation:
        return 'none (data.validation is empty)'
    after = recipe.trainer.val_after
    return f'every {counted(after, "step")} and at the end' if after else 'at the end'


def _teacher(recipe: Recipe) -> dict[str, str]:
    teacher = recipe.teacher
    return {'features': f'{", ".join(teacher.features)} of {teacher.network}'} if teacher.network else {}


def _last_losses(result: 'TrainingResult') -> dict[str, float]:
    tails = {name: losses[-TAIL:] for name, losses in result.losses.items() if losses}
    return {name: sum(tail) / len(tail) for name, tail in tails.items()}


def _timing_rows(timings: dict[str, float]) -> dict[str, str]:
    parts = ', '.join(f'{part} {timings[f"{part}_ms"]:.1f}' for part in ('data', 'forward', 'backward', 'optimiser'))
    return {
        'ms a batch': f'{timings["total_ms"]:.1f}: {parts}',
        'speed': f'{timings["images_per_second"]:.1f} images/s, {timings["waiting_share"]:.0%} waiting for pictures',
    }
