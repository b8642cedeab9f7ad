"""A folder with small files of the names that the pages use, so that their blocks can run in it."""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from doc_pages import REPOSITORY

from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

EMBEDDED = REPOSITORY / 'pose_estimation_ros' / 'embedded'
TORCH_FILE = EMBEDDED / 'efficientnet_lite_torch' / 'efficientnet_lite_torch.pth'
ONNX_FILE = EMBEDDED / 'efficientnet_lite' / 'efficientnet_lite.onnx'
SCENE = SceneSettings(width=320, height=240, people=2, person_height=(0.6, 0.8), background='street')
IMAGES = ('people.jpg', 'street.jpg', 'plaza.jpg', 'cutout.jpg', 'a.jpg', 'b.jpg', 'photos/1.jpg', 'photos/2.jpg')
VIDEOS = ('street.mp4', 'plaza_4k.mp4', 'clips/1.mp4')
DATASETS = ('data/COCO', 'data/mosaics_1080')


def lay_out(folder: Path) -> None:
    """Fill a folder with all that needs no torch."""
    for name in ('photos', 'clips', 'models', 'data'):
        (folder / name).mkdir(parents=True)
    frames = [frame.image for frame in SyntheticVideo(4, SCENE, frames=3)]
    for name in IMAGES:
        cv2.imwrite(str(folder / name), frames[0])
    for name in VIDEOS:
        write_video(folder / name, frames)
    for name in ('config', 'scripts'):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ('lwop.onnx', 'model.onnx'):
        shutil.copy(ONNX_FILE, folder / name)
    for name in ('lwop.pth', 'checkpoint_iter_370000.pth'):
        shutil.copy(TORCH_FILE, folder / name)


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()


def add_datasets(folder: Path) -> None:
    """Draw two annotated images in COCO's layout."""
    first, *others = (folder / name for name in DATASETS)
    command = [sys.executable, '-m', 'pose_estimation_ros', 'prepare', 'synthetic', '--count', '2', '--output', first]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    for other in others:
        shutil.copytree(first, other)


def add_baseline(folder: Path) -> None:
    """Add weights of SimpleBaselines, random and of the smallest depth, and a detector that finds one person."""
    import torch

    from pose_estimation_ros.learners.simple_baseline import SimpleBaselineLearner

    for size in ('256x192', '256x256'):
        learner = SimpleBaselineLearner(device='cpu', backbone='resnet18')
        learner.init_model()
        torch.save(learner.network.state_dict(), folder / f'pose_resnet_50_{size}.pth.tar')
    write_detector(folder / 'models' / 'yolox_nano.onnx')


def add_higher_hrnet(folder: Path) -> None:
    """Add a narrow HigherHRNet of random weights, as the official file and as pytorch-human-pose's."""
    import torch

    from pose_estimation_ros.learners.higher_hrnet import HigherHRNetLearner

    learner = HigherHRNetLearner(device='cpu', backbone='hrnet_w4', stem_width=4)
    learner.init_model()
    (folder / 'pretrained').mkdir()
    tensors = learner.network.state_dict()
    torch.save(tensors, folder / 'pose_higher_hrnet_w32_512.pth')
    torch.save({'module': {'model': tensors}, 'epoch': 1}, folder / 'pretrained' / 'higher_hrnet_32.pt')


def write_detector(path: Path) -> None:
    """Write a model of YOLOX's form that finds one person in the middle of every image."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    grid = np.zeros((1, 21, 6), np.float32)  # 16 cells of stride 8, 4 of 16, 1 of 32
    grid[0, 5] = (2, 2, 1, 1.5, 1, 1)  # middle and logarithms of the size in cells, score, class person
    nodes = [
        helper.make_node('ReduceSum', ['images'], ['sum'], keepdims=0),
        helper.make_node('Mul', ['sum', 'zero'], ['nothing']),
        helper.make_node('Add', ['grid', 'nothing'], ['output']),
    ]
    graph = helper.make_graph(
        nodes,
        'detector',
        [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info('output', TensorProto.FLOAT, [1, 21, 6])],
        [numpy_helper.from_array(grid, 'grid'), numpy_helper.from_array(np.array(0, np.float32), 'zero')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))


def add_bag(folder: Path) -> None:
    """Record two images."""
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    content = cv2.imencode('.jpg', cv2.imread(str(folder / 'people.jpg')))[1].ravel()
    kind = 'sensor_msgs/msg/CompressedImage'
    time, header = store.types['builtin_interfaces/msg/Time'], store.types['std_msgs/msg/Header']
    with Writer(folder / 'ride', version=9) as writer:
        connection = writer.add_connection('/camera/image_raw/compressed', kind, typestore=store)
        for second in (1, 2):
            message = store.types[kind](header(time(second, 0), 'camera'), 'jpeg', content)
            writer.write(connection, second * 10**9, store.serialize_cdr(message, kind))
