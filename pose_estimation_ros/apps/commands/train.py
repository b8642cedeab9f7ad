"""`train`: a recipe into checkpoints, a saved model and how good it is."""

import signal
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]

from pose_estimation_ros.apps.commands.train_report import Report
from pose_estimation_ros.apps.options.json_option import Write, add_json_option, json_results
from pose_estimation_ros.apps.options.parser import INTERRUPTED, PROGRAM, Parser, add_flag, say
from pose_estimation_ros.apps.options.train_options import add_recipe
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import make_folder, write_json, written_whole
from pose_estimation_ros.core.interrupt import TERMINATED, ending_on_interrupt
from pose_estimation_ros.training.places import Places
from pose_estimation_ros.training.recipe import Recipe

if TYPE_CHECKING:
    from pose_estimation_ros.training.run import Subject, TrainingResult

CONFIG = 'config.yaml'


def add_arguments(parser: Any) -> None:
    """Add what this command takes: the recipe's fields by their names, and where results go."""
    parser.add_argument('--config', action=ActionConfigFile, help='A recipe, such as config/train/synthetic.yaml.')
    parser.add_argument('--output', type=Path, default=Path('build/train'), help='Folder of this training.')
    add_flag(parser, '--resume', 'Go on from the newest checkpoint in --output, with its own recipe if none is given.')
    add_json_option(parser, 'the results, which --output has as results.json too')
    add_recipe(parser)


def run(arguments: Namespace) -> int:
    """Train and return the exit code: 0 done, 130 where Ctrl-C ended it, 143 where SIGTERM did."""
    with json_results(arguments.json, indent=2) as write_results:
        return _run(arguments, write_results)


def _run(arguments: Namespace, write_results: Write) -> int:
    recipe, text = _recipe(arguments)
    from pose_estimation_ros.training.processes import Processes
    from pose_estimation_ros.training.run import require_device, train

    processes = Processes.here(recipe.trainer.device)
    require_device(recipe.trainer, processes)
    main = processes.rank == 0
    resume = _checkpoint(arguments.output, arguments.resume, main)
    subject, validation, told = _make(recipe, resume, processes.world == 1)
    report = Report(arguments.output, shown=main)
    report.before(recipe, subject, resume, told)
    if main:
        with written_whole(make_folder(arguments.output) / CONFIG) as temporary:
            temporary.write_text(text)
    with ending_on_interrupt(True, signal.SIGTERM) as stop:
        result = train(subject, recipe.settings, arguments.output, validation, resume, lambda: stop.asked)
    if main:
        results = _finish(recipe, subject, result, report, arguments)
        write_results(results)
    if not result.stopped:
        return 0
    return TERMINATED if stop.terminated else INTERRUPTED


def _recipe(arguments: Namespace) -> tuple[Recipe, str]:
    """Return the recipe and its YAML; that of the folder for --resume alone."""
    parser = Parser(prog=f'{PROGRAM} train')
    add_recipe(parser)
    values = Namespace({field.name: arguments[field.name] for field in fields(Recipe)})  # type: ignore[no-untyped-call]
    own = arguments.output / CONFIG
    if arguments.resume and not arguments.config and own.exists():
        if parser.dump(values) != parser.dump(parser.get_defaults()):
            raise SettingsError(f'to change something with --resume, name the recipe too: --config {own}')
        values = parser.parse_path(own)
    elif arguments.resume and not arguments.config and parser.dump(values) == parser.dump(parser.get_defaults()):
        raise SettingsError(f'{arguments.output} holds no training to go on with; name its folder with --output')
    return Recipe(**vars(parser.instantiate(values))), parser.dump(values)


def _checkpoint(folder: Path, resume: bool, main: bool) -> Path | None:
    """Return the checkpoint to go on from, None for a new training; raises SettingsError for a folder in use."""
    written = Places.under(folder).written()
    if resume:
        return next(reversed(written), None)
    if main and written:  # one that ended before its first checkpoint has nothing to lose
        raise SettingsError(f'{folder} holds a training already: go on with it with --resume, or choose another folder')
    return None


def _make(recipe: Recipe, resume: Path | None, alone: bool) -> tuple['Subject', Any, str]:
    """Return what is trained, what scores it, and a sentence on the weights."""
    from pose_estimation_ros.learners.recipe_validation import recipe_validation
    from pose_estimation_ros.training.start import make_subject

    subject, told = make_subject(recipe, resumed=resume is not None)
    validation = recipe_validation(recipe, subject.method)  # what is missing is told before a teacher works for hours
    if recipe.teacher.network:
        from pose_estimation_ros.learners.teaching import hinted_subject

        subject = hinted_subject(subject, recipe)
    if recipe.teacher.weights:
        from pose_estimation_ros.learners.teaching import taught_subject

        subject = taught_subject(subject, recipe, alone)
    return subject, validation, f'goes on from {resume}' if resume else told


def _finish(
    recipe: Recipe, subject: 'Subject', result: 'TrainingResult', report: Report, arguments: Namespace
) -> dict[str, Any]:
    """Save the model, write the results down, tell them and return them."""
    report.model = save_model(recipe, subject, result.network, arguments.output / 'model')
    write_json(arguments.output / 'timings.json', result.timings, indent=2)
    results = report.results(result)
    write_json(arguments.output / 'results.json', results, indent=2)
    report.after(result)
    if result.stopped:
        say(f'stopped as asked at iteration {result.iteration}; go on with train --output {arguments.output} --resume')
    return results


def save_model(recipe: Recipe, subject: 'Subject', network: Any, folder: Path) -> Path:
    """Save a trained network as a folder that every command and learner loads."""
    from pose_estimation_ros.models.arguments import ModelArguments
    from pose_estimation_ros.models.store import ModelStore

    method = subject.method
    options: Any = method.options(recipe.network)
    height = options.input_hw[0] if method.sees == 'person' else recipe.validation.height
    model = ModelStore(ModelArguments(method, options, height, method.preprocessing))
    model.adopt(network)
    model.save(folder)
    return folder
