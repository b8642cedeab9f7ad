"""Packages that users leave out, and how they get them."""

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
"""Package -> the extras of this package that bring it; none where it is always asked for."""
CALLED = {'cv2': 'opencv-python', 'jsonargparse': "'jsonargparse[signatures]'"}
"""What pip calls packages, where that is not the name they are imported by."""


def missing_package(error: ModuleNotFoundError, purpose: str, extras: str | None = None) -> str:
    """Return a sentence on the package that `error` is about, with its cure; empty where users do not install it.

    Args:
        error: What an import raised.
        purpose: What needs the package: 'reading weights.pth'.
        extras: Those to name in place of the ones that bring the package.

    """
    package = str(error.name).partition('.')[0]
    if package not in EXTRAS:
        return ''
    chosen = EXTRAS[package] if extras is None else extras
    wanted = f"'pose_estimation_ros[{chosen}]'" if chosen else CALLED.get(package, package)
    return f'{purpose} needs the package {package}, which is not installed: pip install {wanted}'
