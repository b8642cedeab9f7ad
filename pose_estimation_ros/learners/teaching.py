"""Trainings that learn from another model: what it said when it was asked ahead, and what its layers say."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.transforms import Compose, Transform, camera_like
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.methods.method import Method, Teachable
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.folder import find_model, read_bytes
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.training.recipe import Part, Recipe, TransformSettings
from pose_estimation_ros.training.sources import make_transform, mixed

if TYPE_CHECKING:
    from pose_estimation_ros.training.distillation.taught import Lessons, Teacher
    from pose_estimation_ros.training.parts import Subject


OF_PERSONS = ('head_boxes', 'person_scale', 'person_rotation')
"""Settings that are no matter of methods with teachers."""


def taught_subject(subject: 'Subject', recipe: Recipe, alone: bool = True) -> 'Subject':
    """Return a recipe's training with its teacher's lessons in the place of its pictures, writing these first.

    Args:
        subject: What the recipe trains, without its teacher.
        recipe: One that names a teacher.
        alone: Whether this is the only process; several cannot write.

    Raises:
        SettingsError: Lessons are not written yet and cannot be by several processes, or others are there; the method
            has no teachers.
        WeightsError: The teacher cannot be read.
        OutputError: There is no room.

    """
    from pose_estimation_ros.training.distillation.taught import MirrorTaught, Taught, UnlessTaught

    method = subject.method
    if not isinstance(method, Teachable):
        raise SettingsError(f'teacher.weights is for methods that see whole pictures, {method.name} sees persons')
    lessons = _lessons(recipe)
    if lessons.written() < lessons.count:
        if not alone:
            raise SettingsError(
                f"the teacher's lessons in {lessons.folder} must be written by one process: run the recipe there first,"
                ' with --trainer.limit_batches 1'
            )
        _write(lessons, subject, recipe)
    changes = (MirrorTaught(method.mirror_targets), *(camera_like() if recipe.transform.camera_like else ()))
    stride = method.options(recipe.network).stride
    asked = recipe.teacher
    taught = Taught(lessons, method.output_channels, stride, method.skeleton, asked.sure_joints, asked.balance_views)
    own = [part for part in recipe.data.train if not part.teacher]
    if not own:
        return replace(subject, pictures=taught, transform=Compose(changes))
    labelled = mixed(own, recipe.data.root, method)
    weights = [sum(part.weight for part in parts) for parts in (_taught(recipe), own)]
    transform = Compose((UnlessTaught(_geometry(recipe, method)), *changes))
    return replace(subject, pictures=Mixture([taught, labelled], weights), transform=transform)


def hinted_subject(subject: 'Subject', recipe: Recipe) -> 'Subject':
    """Return a recipe's training that also learns the layers of the network that the recipe names as a teacher.

    Raises:
        WeightsError: The teacher cannot be read or is of another method.
        SettingsError: The two networks do not both have these layers, or with other sizes.

    """
    from pose_estimation_ros.training.distillation.hints import Hints

    method, asked = subject.method, recipe.teacher
    state_dict, options = method.read_checkpoint(Path(asked.network))
    teacher = method.network(options)
    method.fit_weights(teacher, state_dict, asked.network)
    return replace(subject, hints=Hints(subject.network, teacher, asked.features, asked.features_weight))


def _lessons(recipe: Recipe) -> 'Lessons':
    """Return the lessons of a recipe; what they depend on is all that decides about pictures and targets."""
    from pose_estimation_ros.training.distillation.taught import Lessons

    asked = recipe.teacher
    depends = {
        'teacher': Path(asked.weights).name,
        'precision': asked.precision,
        'sha256': fingerprint(find_model(Path(asked.weights)).path),
        'train': [_of_pictures(part) for part in _taught(recipe)],
        'transform': _of_pictures(replace(recipe.transform, camera_like=False)),
        'objective': recipe.objective,
        'seed': recipe.seed,
    }
    return Lessons(Path(recipe.data.root) / asked.keep, asked.count, recipe.transform.size, depends)


def _taught(recipe: Recipe) -> list[Part]:
    """Return the parts that a teacher speaks about; raises SettingsError where there is none."""
    parts = [part for part in recipe.data.train if part.teacher]
    if not parts:
        raise SettingsError(
            'teacher.weights names a teacher, but every part of data.train has teacher: false; leave one to it'
        )
    return parts


def _geometry(recipe: Recipe, method: Method) -> Transform:
    """Return what makes network inputs of pictures, their colours aside."""
    return make_transform(replace(recipe.transform, camera_like=False), method, method.options(recipe.network))


def fingerprint(path: Path) -> str:
    """Return what tells a model file from all others, whatever it is called; an OpenVINO file with its weights."""
    digest = hashlib.sha256(read_bytes(path))
    if path.suffix == '.xml':
        digest.update(read_bytes(path.with_suffix('.bin')))
    return digest.hexdigest()


def _of_pictures(settings: Part | TransformSettings) -> dict[str, Any]:
    """Return what is set otherwise than by default: a field that comes with a later version makes no other lessons."""
    usual = {each.name: each.default for each in fields(settings)}
    return {name: value for name, value in asdict(settings).items() if name not in OF_PERSONS and value != usual[name]}


def _write(lessons: 'Lessons', subject: 'Subject', recipe: Recipe) -> None:
    """Write lessons with a progress bar."""
    from pose_estimation_ros.training.distillation.taught import write_lessons
    from pose_estimation_ros.training.items import Items

    method = subject.method
    pictures = mixed(_taught(recipe), recipe.data.root, method)
    items = Items(pictures, _geometry(recipe, method), subject.objective, recipe.seed)
    settings = BackendSettings(precision=recipe.teacher.precision)
    teacher = open_teacher(method, Path(recipe.teacher.weights), recipe.transform.size, settings)
    bar = tqdm(
        total=lessons.count,
        desc="teacher's lessons",
        unit='picture',
        disable=not recipe.logging.progress,
        file=sys.stderr,
    )
    with bar:
        write_lessons(lessons, items, subject.objective, teacher, recipe.trainer.num_workers, bar.update)


def open_teacher(method: Method, weights: Path, size: int, settings: BackendSettings) -> 'Teacher':
    """Return what gives a model's maps of square pictures; raises WeightsError or BackendError."""
    explicit = frozenset({'base_height'})
    model = ModelStore(ModelArguments(method, method.options(), size, method.preprocessing, explicit))
    model.load(weights)
    backend = open_backend(model.model, settings)
    pipeline = Pipeline(backend, method, None, model.loaded.preprocessing, size)

    def teacher(pictures: Sequence[ByteArray]) -> list[list[FloatArray]]:
        return [list(output.maps) for output in pipeline.forward(pictures)]

    return teacher
