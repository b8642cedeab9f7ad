"""`train`: a recipe into checkpoints, a saved model and its scores."""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]

from pose_estimation_ros.apps.commands.train_report import results_of, rows_after, rows_before, say_table
from pose_estimation_ros.apps.options.json_option import Write, add_json_option, json_results
from pose_estimation_ros.apps.options.parser import INTERRUPTED, PROGRAM, Parser, add_flag, say
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.core.interrupt import TERMINATED, ending_on_interrupt
from pose_estimation_ros.training.folders import TrainingFolders
from pose_estimation_ros.training.settings import Recipe
from pose_estimation_ros.training.tasks import TaskKind, find_task

CONFIG = 'config.yaml'
OUTPUT = Path('build/train')


def add_arguments(parser: Any) -> None:
    """Add the fields of the task's recipe by their names, and where results go."""
    parser.add_argument('--config', action=ActionConfigFile, help='A recipe, such as config/train/synthetic.yaml.')
    parser.add_argument('--output', type=Path, default=OUTPUT, help='Folder of this training.')
    add_flag(parser, '--resume', 'Resume from the newest checkpoint in --output, with its own recipe if none is given.')
    add_json_option(parser, 'the results, which --output has as results.json too')
    named = partial(named_value, parser.given)
    add_recipe(parser, find_task(named('task') or Recipe.task).recipe_class(), named)


def named_value(given: Sequence[str], field: str) -> str | None:
    """Return the value that command-line arguments or the recipes among them have for a field, None without any.

    Such fields decide which options and defaults there are. What cannot be read is reported when the arguments are
    parsed.
    """

    def values(option: str) -> list[str]:
        apart = [value for name, value in pairwise(given) if name == option]
        return apart + [each.removeprefix(f'{option}=') for each in given if each.startswith(f'{option}=')]

    configs = values('--config')
    if '--resume' in given and not configs:
        configs = [str(Path((values('--output') or [str(OUTPUT)])[-1]) / CONFIG)]
    named = []
    for config in configs:
        with suppress(OSError, ValueError, yaml.YAMLError):
            content = yaml.safe_load(Path(config).read_text())
            if isinstance(content, dict) and content.get(field) is not None:
                named.append(str(content[field]))
    return next(reversed(values(f'--{field}') or named), None)


def add_recipe(parser: Any, recipe: type[Recipe], named: Callable[[str], str | None]) -> None:
    """Add an option for each field of a task's recipes, such as --trainer.max_epochs, with the settings' texts.

    `named` returns the given value of a field that decides on defaults.
    """
    parser.add_class_arguments(recipe)
    parser.set_defaults(recipe.defaults(named))
    for group in parser._action_groups:
        nested = {action.dest.partition('.')[0] for action in group._group_actions if '.' in action.dest}
        if 'pose_estimation_ros' in str(group.title):
            group.title = f'recipe: {", ".join(sorted(nested)) or "general"}'


def run(arguments: Namespace) -> int:
    """Train and return the exit code: 0 done, 130 where Ctrl-C ended it, 143 where SIGTERM did."""
    with json_results(arguments.json, indent=2) as write_results:
        return _run(arguments, write_results)


def _run(arguments: Namespace, write_results: Write) -> int:
    kind, folder = find_task(arguments.task), arguments.output
    recipe, text = _recipe(arguments, kind)
    from pose_estimation_ros.training.engine import require_device, train
    from pose_estimation_ros.training.processes import Processes

    processes = Processes.here(recipe.trainer.device)
    require_device(recipe.trainer, processes)
    main = processes.rank == 0
    resume = _checkpoint(folder, arguments.resume, main)
    builder = kind.open_builder()
    task, weights = builder.make_task(recipe, resume is not None, processes.world == 1)
    if main:
        weights = f'resumed from {resume}' if resume else weights
        say_table(rows_before(recipe, task, builder.summary(recipe), weights, folder))
        with atomic_write(make_folder(folder) / CONFIG) as temporary:
            temporary.write_text(text)
    with ending_on_interrupt(True, signal.SIGTERM) as stop:
        result = train(task, recipe.settings, folder, resume, stop=lambda: stop.requested)
    if main:
        model = folder / 'model'
        builder.save_model(recipe, result.network, model)
        write_json(folder / 'timings.json', result.timings, indent=2)
        results = results_of(result, model)
        write_json(folder / 'results.json', results, indent=2)
        say_table(rows_after(result, task, model))
        if result.stopped:
            say(f'stopped at iteration {result.iteration} as requested; resume with train --output {folder} --resume')
        write_results(results)
    if not result.stopped:
        return 0
    return TERMINATED if stop.terminated else INTERRUPTED


def _recipe(arguments: Namespace, kind: TaskKind) -> tuple[Recipe, str]:
    """Return the recipe and its YAML; that of the folder for --resume alone."""
    recipe = kind.recipe_class()
    parser = Parser(prog=f'{PROGRAM} train')
    add_recipe(parser, recipe, arguments.get)
    values = Namespace({each.name: arguments[each.name] for each in fields(recipe)})  # type: ignore[no-untyped-call]
    own = arguments.output / CONFIG
    if arguments.resume and not arguments.config:
        named = parser.dump(values) != parser.dump(parser.get_defaults())
        if own.exists() and named:
            raise SettingsError(f'to change settings with --resume, give the recipe too: --config {own}')
        if own.exists():
            values = parser.parse_path(own)
        elif not named:
            raise SettingsError(f'{arguments.output} holds no training to resume; give its folder with --output')
    return recipe(**vars(parser.instantiate(values))), parser.dump(values)


def _checkpoint(folder: Path, resume: bool, main: bool) -> Path | None:
    """Return the checkpoint to resume from, None for a new training; raises SettingsError for a folder in use."""
    written = TrainingFolders.under(folder).written()
    if resume:
        return next(reversed(written), None)
    if main and written:  # one that ended before its first checkpoint has nothing to lose
        raise SettingsError(f'{folder} already holds a training: resume it with --resume, or choose another folder')
    return None
