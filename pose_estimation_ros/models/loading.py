"""Loading a model of any published container: which network it is, and what it expects of its input."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import BackendError, WeightsError
from pose_estimation_ros.core.packages import missing_package
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model, pick_outputs
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.folder import ModelFile, find_model, read_bytes
from pose_estimation_ros.models.onnx_file import read_facts

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network, as a torch module or as a file that a runtime opens, and its preprocessing."""

    options: Any
    """Network options, None if the model file does not declare them."""
    base_height: int
    preprocessing: Preprocessing
    source: Model | None = None
    """Input of a backend, None if nothing has been loaded."""
    optimized: bool = False
    """Whether the file declares that it is the result of `optimize`."""
    text: str = ''
    """A sentence on what was loaded."""


def load_model(path: Path, arguments: ModelArguments, trust: bool = False) -> LoadedModel:
    """Read a saved folder, a published checkpoint, an ONNX or an OpenVINO file; raises WeightsError."""
    file = find_model(path)
    readers: dict[str, Callable[[], LoadedModel]] = {
        'pth': lambda: _load_checkpoint(file, arguments, trust),
        'onnx': lambda: _load_onnx(file, arguments),
        'xml': lambda: _load_xml(file, arguments),
    }
    try:
        return readers[file.kind]()
    except BackendError as error:
        text = str(error)
        raise WeightsError(
            text if text.startswith(f'{file.path} ') else f'{file.path} cannot be used: {text}'
        ) from error
    except ModuleNotFoundError as error:
        missing = missing_package(error, f'reading {file.path}')
        if not missing:
            raise
        raise WeightsError(missing) from error


def _load_checkpoint(file: ModelFile, arguments: ModelArguments, trust: bool) -> LoadedModel:
    method, declared = arguments.method, _declared_options(file, arguments.method)
    state_dict, inferred = method.read_checkpoint(file.path, declared or arguments.options, trust)
    if declared is None:
        for field, guess in inferred.guessed.items():
            if field not in arguments.explicit:
                LOG.warning('%s does not declare its %s; assuming %s (%s)', file.path, *guess)
    options = arguments.network_options(inferred)
    network = method.network(options)
    text = method.fit_weights(network, state_dict, str(file.path))
    model = Model(method.output_channels, network=network, label='the network')
    height, preprocessing = arguments.input_height(file), arguments.input_preprocessing(file)
    return LoadedModel(options, height, preprocessing, model, text=text)


def _load_onnx(file: ModelFile, arguments: ModelArguments) -> LoadedModel:
    content, label, method = read_bytes(file.path), str(file.path), arguments.method
    facts = read_facts(content)
    pick_outputs(facts.channels, method.output_channels, label)
    file = replace(file, metadata={**facts.metadata, **file.metadata})
    known = None if 'preprocessing' in file.metadata else method.onnx_preprocessing(facts.graph)
    return _loaded_graph(file, Model(method.output_channels, onnx=content, label=label), arguments, known)


def _load_xml(file: ModelFile, arguments: ModelArguments) -> LoadedModel:
    known = arguments.method.xml_preprocessing(_read_xml(file.path))
    model = Model(arguments.method.output_channels, xml=file.path, label=str(file.path))
    open_backend(model, BackendSettings('openvino', 'cpu'))  # refuses other models now, not at the first image
    return _loaded_graph(file, model, arguments, known)


def _read_xml(path: Path) -> str:
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f'{path} is not an OpenVINO model: it cannot be read as text') from error
    if '<net' not in text[:4096]:
        raise WeightsError(f'{path} is not an OpenVINO model (it has no <net>); choose the .xml of a model')
    if not path.with_suffix('.bin').exists():
        raise WeightsError(f'{path} lacks its weights: {path.with_suffix(".bin").name} must lie beside it')
    return text


def _loaded_graph(
    file: ModelFile, model: Model, arguments: ModelArguments, known: Preprocessing | None = None
) -> LoadedModel:
    """Wrap an exported model, whose network can be run but not changed."""
    options = _declared_options(file, arguments.method)
    if options is not None and arguments.network_options(options) != options:
        LOG.warning('%s is exported already, its network cannot be changed; load the .pth for that', file.path)
    height, preprocessing = arguments.input_height(file), arguments.input_preprocessing(file, known)
    return LoadedModel(options, height, preprocessing, model, file.optimized, f'loaded {file.path}')


def _declared_options(file: ModelFile, method: Method) -> Any:
    """Return the network options that a file's metadata declare, None if they declare none."""
    declared = file.metadata.get('network')
    return method.options(declared) if isinstance(declared, dict) else None
