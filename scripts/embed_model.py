"""Put a trained model into the package: `PYTHONPATH=. python scripts/embed_model.py RUN/model`.

Weights are rounded to half precision, in which the torch network is kept (3 MB); the ONNX model is made of the same
rounded weights, so that both give the same poses.
"""

import io
import sys
from pathlib import Path

import torch

from pose_estimation_ros import LightweightOpenPoseLearner
from pose_estimation_ros.core.files import written_whole
from pose_estimation_ros.learners.embedded import FOLDER, NAMES

HEIGHT = 256
LIMIT = 9e6
"""Bytes that a file may have."""


def main(source: Path) -> None:
    """Write both forms of a model."""
    learner = LightweightOpenPoseLearner(device='cpu', backend='torch', base_height=HEIGHT)
    learner.load(source)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in learner.network.state_dict().items()
    }
    learner.network.load_state_dict(state)
    name = NAMES['lightweight_openpose']
    torch_folder = FOLDER / f'{name}_torch'
    learner.save(torch_folder)
    content = io.BytesIO()
    torch.save({'state_dict': state}, content)
    with written_whole(torch_folder / f'{torch_folder.name}.pth') as temporary:
        temporary.write_bytes(content.getvalue())
    learner.optimize(do_constant_folding=True)
    learner.save(FOLDER / name)
    for path in sorted(FOLDER.rglob('*')):
        if path.is_file():
            print(f'{path.stat().st_size / 1e6:6.2f} MB  {path.relative_to(FOLDER)}')
            if path.stat().st_size > LIMIT:
                sys.exit(f'{path} is larger than {LIMIT / 1e6:g} MB')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
