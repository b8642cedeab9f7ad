"""Put a trained model into the package: `PYTHONPATH=. python scripts/embed_model.py RUN/model`.

Weights are rounded to half precision, in which the torch network is stored (3 MB); the ONNX model has the same rounded
weights, so that both give the same poses. If the new files are too large, the old model is kept.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

import torch

from pose_estimation_ros import LightweightOpenPoseLearner
from pose_estimation_ros.core.errors import OutputError, PoseEstimationError
from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM
from pose_estimation_ros.models.embedded import FOLDER

HEIGHT = 256
LIMIT = 9e6
"""Maximum size of a file in bytes."""


def write(source: Path, folder: Path) -> None:
    """Write a model as ONNX and as a torch network into a folder."""
    learner = LightweightOpenPoseLearner(device='cpu', backend='torch', base_height=HEIGHT)
    learner.load(source)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in learner.network.state_dict().items()
    }
    learner.network.load_state_dict(state)
    name = SYSTEM.embedded
    torch_folder = folder / f'{name}_torch'
    learner.save(torch_folder)
    content = io.BytesIO()
    torch.save({'state_dict': state}, content)
    (torch_folder / f'{torch_folder.name}.pth').write_bytes(content.getvalue())
    learner.optimize(do_constant_folding=True)
    learner.save(folder / name)


def check(folder: Path) -> None:
    """Print the sizes of the files; raises OutputError if one is too large."""
    for path in sorted(each for each in folder.rglob('*') if each.is_file()):
        size = path.stat().st_size
        print(f'{size / 1e6:6.2f} MB  {path.relative_to(folder)}')
        if size > LIMIT:
            raise OutputError(f'{path.name} has {size / 1e6:.1f} MB, {LIMIT / 1e6:g} are allowed; nothing was changed')


def main() -> None:
    """Write a model to a temporary folder, and embed it if it is small enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='a saved folder or a published checkpoint')
    source = parser.parse_args().model
    with tempfile.TemporaryDirectory() as temporary:
        try:
            write(source, Path(temporary))
            check(Path(temporary))
        except PoseEstimationError as error:
            parser.error(str(error))
        for folder in Path(temporary).iterdir():
            shutil.copytree(folder, FOLDER / folder.name, dirs_exist_ok=True)


if __name__ == '__main__':
    main()
