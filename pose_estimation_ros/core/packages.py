"""Optional packages, and how to install them."""

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
    'pycocotools': 'evaluate',
    'matplotlib': 'plot',
    'lightning': 'train',
    'tensorboard': 'train',
}
"""Package -> the extras that install it; empty for required packages."""
PIP_NAMES = {'cv2': 'opencv-python', 'jsonargparse': "'jsonargparse[signatures]'"}
"""Names for pip of packages with another import name."""


def missing_package(error: ModuleNotFoundError, purpose: str, extras: str | None = None) -> str:
    """Return a message about the missing package and how to install it; empty for other modules.

    Args:
        error: Raised by an import.
        purpose: What needs the package, such as 'reading weights.pth'.
        extras: Extras to suggest instead of those of the package.

    """
    package = str(error.name).partition('.')[0]
    if package not in EXTRAS:
        return ''
    chosen = EXTRAS[package] if extras is None else extras
    wanted = f"'pose_estimation_ros[{chosen}]'" if chosen else PIP_NAMES.get(package, package)
    return f'{purpose} needs the package {package}, which is not installed: pip install {wanted}'
