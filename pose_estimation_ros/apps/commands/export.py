"""`export`: an ONNX model of any batch, height and width, in fp32, fp16 or int8, checked against its source."""

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.options.model_options import add_model_options, make_learner
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.inference.backends.backend import Backend, BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend

CALIBRATION_LIMIT = 128


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'output', type=Path, metavar='OUTPUT', help='FILE.onnx, or a folder for the model and its description.'
    )
    parser.add_argument(
        '--to', type=Literal['fp32', 'fp16', 'int8'], default='fp32', help='Precision of the exported model.'
    )
    parser.add_argument(
        '--calibration', nargs='+', default=[], metavar='SOURCE',
        help=f'For int8: images or videos similar to the later input; {CALIBRATION_LIMIT} frames, evenly spaced.',
    )  # fmt: skip
    add_model_options(parser)


def run(settings: Namespace) -> int:
    """Export, write, and print how much the maps differ from the source's."""
    if settings.to == 'int8' and not settings.calibration:
        raise SettingsError('--to int8 needs --calibration SOURCE: images or videos similar to the later input')
    learner = make_learner(settings)
    before = learner.pipeline().backend
    images = _frames(settings.calibration)
    patches = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    example = images[0] if images else patches.repeat(16, axis=0).repeat(16, axis=1)
    batch = learner.pipeline().prepare(example)
    with tempfile.TemporaryDirectory() as folder:
        learner.temp_path = Path(folder)
        learner.optimize(do_constant_folding=True, precision=settings.to, calibration=images)
    content = learner.optimized_content()
    after = open_backend(Model(learner.method.output_channels, onnx=content), BackendSettings('onnxruntime'))
    difference = f'{_difference(before, after, batch):.2%}'
    if settings.output.suffix == '.onnx':
        with atomic_write(settings.output) as temporary:
            temporary.write_bytes(content)
    else:
        learner.save(settings.output)
    say(f'wrote {settings.output}; its maps differ from the source by {difference} of their standard deviation (RMS)')
    return 0


def _frames(sources: list[str]) -> list[ByteArray]:
    """Return at most CALIBRATION_LIMIT frames, evenly spaced over all sources."""
    if not sources:
        return []
    opened = open_sources(sources)
    total = sum(source.total or CALIBRATION_LIMIT for source in opened)
    step = max(1, total // CALIBRATION_LIMIT)
    frames = (frame for source in opened for frame in source.frames())
    kept: list[ByteArray] = []
    for index, frame in enumerate(tqdm(frames, total=total, desc='calibration', unit='frame', leave=False)):
        if index % step == 0 and len(kept) < CALIBRATION_LIMIT:
            kept.append(frame.image)
    return kept


def _difference(before: Backend, after: Backend, batch: FloatArray) -> float:
    """Return the largest RMS difference of two models' maps, relative to the standard deviation of the maps."""
    pairs = zip(before(batch), after(batch), strict=True)
    return max(float(np.sqrt(np.mean((a - b) ** 2)) / max(a.std(), 1e-9)) for a, b in pairs)
