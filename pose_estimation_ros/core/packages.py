"""Optional packages, and how to install them."""

import importlib

EXTRAS = {
    'torch': 'torch,export',
    'onnx': 'export',
    'onnxruntime': '',
    'jsonargparse': '',
    'tqdm': '',
    'cv2': '',
    'numpy': '',
    'openvino': 'openvino',
    'rosbags': 'bag',
    'mcap': 'bag',
    'pycocotools': 'evaluate',
    'matplotlib': 'plot',
    'lightning': 'train',
    'tensorboard': 'train',
}
"""Package -> the extras that install it; empty for required packages."""
PIP_NAMES = {'cv2': 'opencv-python', 'jsonargparse': "'jsonargparse[signatures]'"}
"""Names for pip of packages with another import name."""


def missing_package(error: ModuleNotFoundError, purpose: str, extras: str | None = None) -> str:
    """Return a message about the package that an import lacks and how to install it; empty for other modules.

    `purpose` is what needs it, such as 'reading weights.pth'; `extras` are suggested instead of those of the package.
    """
    package = str(error.name).partition('.')[0]
    if package not in EXTRAS:
        return ''
    chosen = EXTRAS[package] if extras is None else extras
    wanted = f"'pose_estimation_ros[{chosen}]'" if chosen else PIP_NAMES.get(package, package)
    return f'{purpose} needs the package {package}, which is not installed: pip install {wanted}'


def require_package(module: str, purpose: str, kind: type[Exception], extras: str | None = None) -> None:
    """Raise `kind` if a module of an optional package cannot be imported; other arguments as above."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise kind(missing_package(ModuleNotFoundError(name=module), purpose, extras)) from error
