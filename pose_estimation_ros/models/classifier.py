"""A classifier on disk: published checkpoints, and the files and folders that this package writes."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.classification.labels import numbered_labels
from pose_estimation_ros.classification.options import ClassifierOptions
from pose_estimation_ros.classification.preprocess import InputSettings
from pose_estimation_ros.core.errors import BackendError, SettingsError, WeightsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.models.export import checkpoint_bytes
from pose_estimation_ros.models.folder import ModelFile, find_model, read_bytes, write_model
from pose_estimation_ros.models.onnx_file import read_facts

TASK = 'classification'
"""What metadata of a classifier declare."""


@dataclass(frozen=True, eq=False)
class ClassifierModel:
    """A classifier as a torch module or as a file that a runtime opens, and what its classes and input are."""

    source: Model
    options: ClassifierOptions
    labels: tuple[str, ...]
    """Name of each class."""
    input: InputSettings
    named: bool = False
    """Whether the file declares the names."""
    optimized: bool = False
    """Whether the file declares that it is the result of `optimize`."""
    text: str = ''
    """A sentence on what was loaded."""

    def metadata(self) -> dict[str, Any]:
        """Return what this package's files declare."""
        labels = list(self.labels) if self.named else None
        return {'task': TASK, 'network': self.options.to_dict(), 'labels': labels, 'input': asdict(self.input)}

    def with_labels(self, labels: tuple[str, ...]) -> 'ClassifierModel':
        """Return the model with names for its classes; raises SettingsError for another number of them."""
        if len(labels) != self.options.classes:
            raise SettingsError(
                f'expected the names of {self.options.classes} classes, got {len(labels)} labels;'
                ' choose the labels that the model was trained with'
            )
        return replace(self, labels=labels, named=True)


def new_classifier(options: ClassifierOptions) -> ClassifierModel:
    """Build a classifier with random weights."""
    from pose_estimation_ros.backbones.hrnet_classifier import build_classifier

    return trained_classifier(build_classifier(options.width, options.classes, options.stem_width), options)


def trained_classifier(network: Any, options: ClassifierOptions) -> ClassifierModel:
    """Wrap a torch network."""
    return _described(Model((options.classes,), network=network, label='the network'), options, {})


def save_classifier(model: ClassifierModel, folder: Path) -> Path:
    """Write a model and its description to a folder; files are named after it (.pth, .onnx or .xml)."""
    return write_model(folder, _contents(model.source), model.options.backbone, model.metadata(), model.optimized)


def load_classifier(path: Path, trust: bool = False) -> ClassifierModel:
    """Read a saved folder, a published checkpoint, an ONNX or an OpenVINO file; raises WeightsError."""
    file = find_model(path)
    try:
        if file.kind == 'pth':
            return _load_checkpoint(file, trust)
        return _load_graph(file)
    except (BackendError, SettingsError) as error:
        raise WeightsError(f'{file.path} cannot be used: {error}') from error


def _load_checkpoint(file: ModelFile, trust: bool) -> ClassifierModel:
    from pose_estimation_ros.backbones.hrnet_weights import fit_classifier, read_classifier
    from pose_estimation_ros.backbones.weights_file import read_state_dict

    _refuse_poses(file)
    tensors, facts = read_classifier(read_state_dict(file.path, trust), str(file.path))
    model = new_classifier(ClassifierOptions(**facts))
    text = fit_classifier(model.source.network, tensors, str(file.path))
    return _described(model.source, model.options, file.metadata, text=text)


def _load_graph(file: ModelFile) -> ClassifierModel:
    """Wrap an exported model, whose network can be run but not changed."""
    content, metadata = None, file.metadata
    if file.kind == 'onnx':
        content = read_bytes(file.path)
        metadata = {**read_facts(content).metadata, **metadata}
    _refuse_poses(ModelFile(file.path, file.kind, metadata))
    if metadata.get('task') != TASK:
        raise WeightsError(
            f'{file.path} does not declare a classifier; expected a model that this package has exported,'
            ' start from the .pth'
        )
    options = ClassifierOptions.from_dict(metadata['network'])
    source = Model((options.classes,), onnx=content, xml=None if content else file.path, label=str(file.path))
    return _described(source, options, metadata, file.optimized, f'loaded {file.path}')


def _refuse_poses(file: ModelFile) -> None:
    if 'method' in file.metadata:
        raise WeightsError(
            f'{file.path} is a pose model ({file.metadata["method"]}), expected a classifier; `infer` runs it'
        )


def _described(
    source: Model, options: ClassifierOptions, metadata: dict[str, Any], optimized: bool = False, text: str = ''
) -> ClassifierModel:
    declared = metadata.get('labels')
    named = isinstance(declared, list) and len(declared) == options.classes
    labels = declared if named and declared else [label.name for label in numbered_labels(options.classes)]
    settings = settings_from(InputSettings, metadata.get('input') or {})
    return ClassifierModel(source, options, tuple(map(str, labels)), settings, named, optimized, text)


def _contents(model: Model) -> dict[str, bytes]:
    """Return the files to save by suffix, the main one first."""
    if model.network is not None:
        return {'.pth': checkpoint_bytes(model.network)}
    if model.xml is not None:
        return {suffix: read_bytes(model.xml.with_suffix(suffix)) for suffix in ('.xml', '.bin')}
    return {'.onnx': model.onnx or b''}
