"""Opening the teachers that a recipe names, and the training data that one of them completes."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.transforms.warp import Compose
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.folder import find_model, read_bytes
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.training.distillation.maps import (
    DistillationData,
    LearnsMaps,
    MapStore,
    StoredMaps,
    StoredOrTransformed,
    store_maps,
)
from pose_estimation_ros.training.pose.datasets import colour_changes, make_transform, training_dataset
from pose_estimation_ros.training.pose.recipe import DatasetSettings, PoseRecipe, TransformSettings
from pose_estimation_ros.training.pose.task import PoseData

NOT_STORED = ('head_boxes', 'person_scale', 'person_rotation', 'camera_like')
"""Settings that no stored input depends on."""


def open_feature_teacher(method: Method, path: Path) -> nn.Module:
    """Return the network of a checkpoint; raises WeightsError if it cannot be read or is of another method."""
    state_dict, options = method.read_checkpoint(path)
    teacher: nn.Module = method.network(options)
    method.fit_weights(teacher, state_dict, str(path))
    return teacher


def teacher_data(data: PoseData, method: Method, recipe: PoseRecipe, alone: bool = True) -> PoseData:
    """Return a recipe's training data with a teacher's maps, storing these first unless several processes run.

    Raises:
        SettingsError: Maps are not stored yet and cannot be, or others are stored; the method does not learn from maps.
        WeightsError: The teacher cannot be read.
        OutputError: The disk is full.

    """
    objective, settings, root = data.objective, recipe.teacher, recipe.data.root
    if not isinstance(objective, LearnsMaps):
        raise SettingsError(f"teacher.weights: networks of {method.name} cannot learn a teacher's maps")
    taught = [dataset for dataset in recipe.data.train if dataset.teacher]
    labelled = [dataset for dataset in recipe.data.train if not dataset.teacher]
    if not taught:
        raise SettingsError(
            'teacher.weights names a teacher, but every dataset of data.train has teacher: false; set it to true for'
            ' one'
        )
    options = method.options(recipe.network)
    plain = make_transform(recipe, method, options)
    side = method.input_hw(options, recipe.transform.size)[0]
    store = MapStore(Path(root) / settings.keep, settings.count, side, _description(recipe, taught))
    if store.written() < store.count:
        if not alone:
            raise SettingsError(
                f"the teacher's maps in {store.folder} must be stored by one process: run the recipe there first,"
                ' with --trainer.limit_batches 1'
            )
        _store(store, DistillationData(training_dataset(taught, root, method), plain, objective), method, recipe)
    samples: Any = StoredMaps(
        store,
        method.output_channels,
        options.stride,
        method.skeleton,
        settings.min_sure_keypoints,
        settings.balance_views,
    )
    if labelled:
        weights = [sum(each.weight for each in datasets) for datasets in (taught, labelled)]
        samples = Mixture([samples, training_dataset(labelled, root, method)], weights)
    transform = Compose((StoredOrTransformed(objective.mirror_targets, plain), *colour_changes(recipe.transform)))
    return DistillationData(samples, transform, objective)


def _description(recipe: PoseRecipe, taught: Sequence[DatasetSettings]) -> dict[str, Any]:
    """Return all that inputs and maps depend on, in the words of the first version, whose folders still serve."""
    teacher, transform = recipe.teacher, _changed(recipe.transform)
    if transform.get('kind') == 'whole_image':
        transform['kind'] = 'whole_picture'
    return {
        'teacher': Path(teacher.weights).name,
        'precision': teacher.precision,
        'sha256': fingerprint(find_model(Path(teacher.weights)).path),
        'train': [_changed(dataset) for dataset in taught],
        'transform': transform,
        'objective': recipe.objective,
        'seed': recipe.seed,
        **({'augmentation': recipe.augmentation} if recipe.augmentation else {}),
    }


def _changed(settings: DatasetSettings | TransformSettings) -> dict[str, Any]:
    """Return the settings that are not at their default: a field that a later version adds changes no description."""
    usual = {each.name: each.default for each in fields(settings)}
    return {name: value for name, value in asdict(settings).items() if name not in NOT_STORED and value != usual[name]}


def fingerprint(path: Path) -> str:
    """Return a hash of a model file's content, whatever it is called; of an OpenVINO file with its weights."""
    digest = hashlib.sha256(read_bytes(path))
    if path.suffix == '.xml':
        digest.update(read_bytes(path.with_suffix('.bin')))
    return digest.hexdigest()


def _store(store: MapStore, data: DistillationData, method: Method, recipe: PoseRecipe) -> None:
    """Let the recipe's teacher compute the maps, under a progress bar; raises WeightsError or BackendError."""
    explicit, settings = frozenset({'base_height'}), BackendSettings(precision=recipe.teacher.precision)
    model = ModelStore(ModelArguments(method, method.options(), store.size, method.preprocessing, explicit))
    model.load(Path(recipe.teacher.weights))
    backend = open_backend(model.model, settings)
    pipeline = Pipeline(backend, method, None, model.loaded.preprocessing, store.size)

    def teacher(images: Sequence[ByteArray]) -> list[Sequence[FloatArray]]:
        return [output.maps for output in pipeline.forward(images)]

    hidden = not recipe.logging.progress
    with tqdm(total=store.count, desc="teacher's maps", unit='image', disable=hidden, file=sys.stderr) as bar:
        store_maps(store, data, recipe.seed, teacher, recipe.trainer.num_workers, bar.update)
