"""Compare trackers on a real video, all with the same poses.

`PYTHONPATH=. python scripts/trackers_on_video.py VIDEO WEIGHTS [--start 0] [--frames 300] [--every 1] [--threads 1]`

There is no ground truth of ids, so the number of ids and their life in frames are counted: a tracker that loses
people assigns more ids with shorter lives (confused people are not detected). `cost` is the median time of a tracker
per frame as a share of the network's forward pass in the same run.
"""

import argparse
import itertools
import time
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pose_estimation_ros import LightweightOpenPoseLearner
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.tracking.trackers import TRACKERS

HEIGHT = 256
COLUMNS = ('tracker', 'poses', 'without id', 'ids', 'of one frame', 'median life', 'mean life', 'cost')


def follow(arguments: argparse.Namespace) -> list[tuple[str, ...]]:
    """Return a table row per tracker."""
    learner = LightweightOpenPoseLearner(
        device='cpu', base_height=HEIGHT, threads=arguments.threads, backend='onnxruntime'
    )
    learner.load(arguments.weights)
    trackers = {name: make() for name, make in TRACKERS.items()}
    lives: dict[str, Counter[int | None]] = {name: Counter() for name in trackers}
    spent: dict[str, list[float]] = {name: [] for name in trackers}
    forward = []
    (source,) = open_sources([arguments.video])
    frames = itertools.islice(
        source.frames(), arguments.start, arguments.start + arguments.frames * arguments.every, arguments.every
    )
    for frame in tqdm(frames, total=arguments.frames, unit='frame', leave=False):
        result = learner.infer_timed(frame.image)
        forward.append(result.timings.forward_ms)
        for name, tracker in trackers.items():
            started = time.perf_counter()
            poses = tracker.update(result.poses, frame.stamp, image=frame.image)
            spent[name].append((time.perf_counter() - started) * 1e3)
            lives[name].update(pose.id for pose in poses)
    return [line(name, lives[name], float(np.median(spent[name]) / np.median(forward))) for name in trackers]


def line(name: str, lives: Counter[int | None], cost: float) -> tuple[str, ...]:
    """Return a tracker's row, from the number of frames per id."""
    known = np.array([count for identity, count in lives.items() if identity is not None] or [0])
    counts = (lives.total(), lives[None], len(known), int((known == 1).sum()))
    return (name, *map(str, counts), f'{np.median(known):.0f}', f'{known.mean():.1f}', f'{cost:.1%}')


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video')
    parser.add_argument('weights', type=Path)
    for name, default in (('start', 0), ('frames', 300), ('every', 1), ('threads', 1)):
        parser.add_argument(f'--{name}', type=int, default=default)
    rows = [COLUMNS, *follow(parser.parse_args())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print('  '.join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


if __name__ == '__main__':
    main()
