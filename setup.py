"""Build and install as an ament_python package; also an ordinary Python package."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'pose_estimation_ros'

TORCH = ['torch>=2.0']
EXPORT = [*TORCH, 'onnx>=1.14']
BAG = ['rosbags>=0.11.7,<0.12', 'mcap>=1.1']
OPENVINO = ['openvino>=2024.0']
PLOT = ['matplotlib>=3.5']
EVALUATE = ['pycocotools>=2.0.6', *PLOT]
TRAIN = [*TORCH, *EVALUATE, 'lightning>=2.4', 'tensorboard>=2.10']
MLFLOW = ['mlflow-skinny>=2.14']
TEST = ['pytest>=7', 'pytest-xdist>=3']
DOCS = ['sphinx>=7.1', 'myst-parser>=2', 'furo>=2023.9']


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Pair each part of `folder` with the place under share/ where ROS looks for it; nothing where there is none."""
    parts: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob('*')):
        if path.is_file() and '__pycache__' not in path.parts:
            parts.setdefault(f'share/{NAME}/{path.parent.as_posix()}', []).append(path.as_posix())
    return list(parts.items())


setup(
    name=NAME,
    version='0.1.0',
    description='Human pose estimation for robots: ROS 2 nodes, a Python library and a command line',
    license='Apache-2.0',
    author='pose_estimation_ros maintainers',
    author_email='maintainers@example.org',
    maintainer='pose_estimation_ros maintainers',
    maintainer_email='maintainers@example.org',
    keywords=['ROS', 'human pose estimation', 'keypoints', 'skeleton'],
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'embedded/*/*']},
    zip_safe=False,
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'lib/{NAME}', ['scripts/echo']),  # for `ros2 run`; no entry point, since pip would put it on PATH
        *shared('launch'),
        *shared('config'),
    ],
    install_requires=[
        'numpy>=1.21',
        'scipy>=1.8',
        'opencv-python>=4.5',
        'onnxruntime>=1.15',
        'jsonargparse[signatures]>=4.27',
        'tqdm',
    ],
    extras_require={
        'torch': TORCH,
        'export': EXPORT,
        'bag': BAG,
        'openvino': OPENVINO,
        'plot': PLOT,
        'evaluate': EVALUATE,
        'train': TRAIN,
        'mlflow': MLFLOW,
        'docs': DOCS,
        'test': TEST,  # without it `colcon test` runs nothing and passes
        'all': sorted({*BAG, *EXPORT, *MLFLOW, *OPENVINO, *TRAIN}),
    },
    entry_points={
        'console_scripts': [
            f'pose_estimation = {NAME}.apps.start:main',
            f'pose_node = {NAME}.ros.nodes.pose_node:main',
            f'camera_node = {NAME}.ros.nodes.camera_node:main',
        ]
    },
)
