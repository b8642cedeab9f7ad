"""Reading a model of any published container: which network it is, and what it expects of its input."""

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
from pose_estimation_ros.models.asked import Asked
from pose_estimation_ros.models.content import read_graph
from pose_estimation_ros.models.export import read_facts
from pose_estimation_ros.models.folder import ModelFile, find_model

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network, as a torch module or as a file that a runtime opens, and how pictures enter it."""

    options: Any
    """The network's, None where a model file says nothing of them."""
    base_height: int
    preprocessing: Preprocessing
    source: Model | None = None
    """What a backend opens, None where nothing has been loaded."""
    optimized: bool = False
    """Whether the file says that it is the result of `optimize`."""
    text: str = ''
    """A sentence on what was loaded."""


def read_model(path: Path, method: Method, asked: Asked, trust: bool = False) -> LoadedModel:
    """Read a saved folder, a published checkpoint, an ONNX or an OpenVINO file; raises WeightsError."""
    file = find_model(path)
    readers: dict[str, Callable[[], LoadedModel]] = {
        'pth': lambda: _read_checkpoint(file, method, asked, trust),
        'onnx': lambda: _read_onnx(file, method, asked),
        'xml': lambda: _read_xml(file, method, asked),
    }
    try:
        return readers[file.kind]()
    except BackendError as error:
        told = str(error)
        named = told.startswith(f'{file.path} ')
        raise WeightsError(told if named else f'{file.path} cannot be used: {told}') from error
    except ModuleNotFoundError as error:
        missing = missing_package(error, f'reading {file.path}')
        if not missing:
            raise
        raise WeightsError(missing) from error


def _read_checkpoint(file: ModelFile, method: Method, asked: Asked, trust: bool) -> LoadedModel:
    stated = _stated_options(file, method)
    state_dict, seen = method.read_checkpoint(file.path, stated or asked.options, trust)
    if stated is None:
        for field, shown in seen.guessed.items():
            if field not in asked.named:
                LOG.warning('%s does not say its %s; taken as %s (%s)', file.path, *shown)
    options = asked.options_for(seen)
    network = method.network(options)
    text = method.fit_weights(network, state_dict, str(file.path))
    model = Model(method.output_channels, network=network, label='the network')
    return LoadedModel(options, asked.height_for(file), asked.preprocessing_for(file), model, text=text)


def _read_onnx(file: ModelFile, method: Method, asked: Asked) -> LoadedModel:
    content, label = read_graph(file.path), str(file.path)
    facts = read_facts(content)
    pick_outputs(facts.channels, method.output_channels, label)
    file = replace(file, metadata={**facts.metadata, **file.metadata})
    expected = None if 'preprocessing' in file.metadata else method.onnx_preprocessing(facts.graph)
    model = Model(method.output_channels, onnx=content, label=label)
    return _loaded_graph(file, model, method, asked, expected)


def _read_xml(file: ModelFile, method: Method, asked: Asked) -> LoadedModel:
    expected = method.xml_preprocessing(file.path)
    model = Model(method.output_channels, xml=file.path, label=str(file.path))
    open_backend(model, BackendSettings('openvino', 'cpu'))  # a model for something else is told now
    return _loaded_graph(file, model, method, asked, expected)


def _loaded_graph(
    file: ModelFile, model: Model, method: Method, asked: Asked, expected: Preprocessing | None = None
) -> LoadedModel:
    """Take a model as it is: its network can be run, not changed."""
    options = _stated_options(file, method)
    if options is not None and asked.options_for(options) != options:
        LOG.warning('%s is exported already, its network cannot be changed; load the .pth for that', file.path)
    height, preprocessing = asked.height_for(file), asked.preprocessing_for(file, expected)
    return LoadedModel(options, height, preprocessing, model, file.optimized, f'loaded {file.path}')


def _stated_options(file: ModelFile, method: Method) -> Any:
    """Return the options that a file's metadata state, None where they state none."""
    stated = file.metadata.get('network')
    return method.options(stated) if isinstance(stated, dict) else None
