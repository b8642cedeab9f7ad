"""Models on disk: OpenDR's folders (model file and JSON description) and single model files."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.methods.method import Preprocessing

Kind = Literal['pth', 'onnx', 'xml']

SUFFIXES: dict[str, Kind] = {'.pth': 'pth', '.pt': 'pth', '.tar': 'pth', '.ckpt': 'pth', '.onnx': 'onnx', '.xml': 'xml'}

RENAMED = {'mobilenet_openpose': 'openpose_default'}
"""OpenDR's documentation loads the first name, its download writes the second."""


@dataclass(frozen=True)
class ModelFile:
    """A model file and its folder's metadata ({} for a file outside a saved folder)."""

    path: Path
    kind: Kind
    metadata: dict[str, Any] = field(default_factory=dict)
    optimized: bool = False
    """Whether the folder declares that the model is the result of `optimize`."""

    def preprocessing(self) -> Preprocessing | None:
        """Return the preprocessing that the metadata declare, None if they do not; raises WeightsError."""
        declared = self.metadata.get('preprocessing')
        if not isinstance(declared, dict):
            return None
        plain: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in declared.items()}
        try:
            return Preprocessing(**plain)
        except TypeError as error:
            raise WeightsError(f'{self.path}: invalid description of the input ({error})') from error


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a model file; raises WeightsError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f'cannot read {path}: {error.strerror}') from error


def find_model(path: Path) -> ModelFile:
    """Return the model file at a path (a file or a saved folder); raises WeightsError if there is none."""
    try:
        return _find(_renamed(path.resolve()))
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be entered
        raise WeightsError(f'there are no weights at {str(path)[:200]!r}: {error}') from error


def _find(path: Path) -> ModelFile:
    if path.is_dir():
        return _find_in_folder(path)
    if not path.exists():
        raise WeightsError(
            f'there are no weights at {path}; give a saved folder, a .pth, .onnx or .xml file, or run download first'
        )
    if path.suffix == '.json':
        return _find_in_folder(path.parent, path)
    if path.suffix == '.bin' and path.with_suffix('.xml').exists():
        path = path.with_suffix('.xml')
    if path.suffix not in SUFFIXES:
        raise WeightsError(f'{path}: a model file ends in {", ".join(SUFFIXES)}, this one in {path.suffix!r}')
    description = path.with_suffix('.json')
    if description.exists() and description.stem == path.parent.name:  # it lies in a saved folder
        described = _find_in_folder(path.parent, description)
        return described if described.path.name == path.name else ModelFile(path, SUFFIXES[path.suffix])
    return ModelFile(path, SUFFIXES[path.suffix])


def _renamed(path: Path) -> Path:
    other = path.with_name(RENAMED.get(path.name, path.name))
    return other if not path.exists() and other.exists() else path


def _find_in_folder(folder: Path, description: Path | None = None) -> ModelFile:
    description = description or folder / f'{folder.name}.json'
    if not description.exists():
        raise WeightsError(f'{folder} is not a saved model: {description.name} is missing')
    try:
        content = json.loads(description.read_text())
        name = content['model_paths'][0]
        metadata = content.get('inference_params') or {}
        optimized = bool(content.get('optimized'))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise WeightsError(f'{description} does not describe a saved model; save or download it again') from error
    path = folder / Path(str(name)).name
    if path.suffix not in SUFFIXES or not path.exists():
        raise WeightsError(f'{description} names the model file {path.name}, which is not there; save it again')
    return ModelFile(path, SUFFIXES[path.suffix], metadata if isinstance(metadata, dict) else {}, optimized)


def checkpoint_in(path: Path) -> Path:
    """Return the checkpoint of a saved folder, and any other path as it is; raises WeightsError for other models."""
    if not path.is_dir():
        return path
    file = find_model(path)
    if file.kind != 'pth':
        raise WeightsError(
            f'{path} holds {file.path.name}, expected a torch checkpoint (.pth); save it before optimize()'
        )
    return file.path


def write_model(
    folder: Path, contents: dict[str, bytes], backbone: str, metadata: dict[str, Any], optimized: bool
) -> Path:
    """Write model files (suffix to content, the main one first) and their description; return the main file.

    The description comes last, so that an interrupted save is not taken for a model.
    """
    make_folder(folder)
    name = folder.resolve().name
    (folder / f'{name}.json').unlink(missing_ok=True)
    for suffix, content in contents.items():
        with atomic_write(folder / f'{name}{suffix}') as temporary:
            temporary.write_bytes(content)
    main = next(iter(contents))
    description = {
        'model_paths': [f'{name}{main}'],
        'framework': 'pytorch',
        'format': main.removeprefix('.'),
        'has_data': False,
        'inference_params': metadata,
        'optimized': optimized,
        'optimizer_info': {},
        'backbone': backbone,
    }
    write_json(folder / f'{name}.json', description, indent=4)
    return folder / f'{name}{main}'
