"""Time the decoders that group keypoints by tags: `python scripts/time_tag_decoders.py [--people 15] [--side 512]`.

Draws network outputs with people at random positions, a fifth of their keypoints missing, and prints the milliseconds
of each decoder (median of several runs, merging included), relative to the published one. One thread.
"""

import argparse
import time

import cv2
import numpy as np

from pose_estimation_ros.core.geometry import CentredAffine
from pose_estimation_ros.methods.higher_hrnet.decoding import DECODERS, FastDecoder
from pose_estimation_ros.methods.method import Look

KEYPOINTS = 17
MISSING = 0.2
NOISE = 0.01


def drawn_outputs(people: int, side: int) -> list[np.ndarray]:
    """Return outputs (34, side/4, side/4) and (17, side/2, side/2) as a network gives them, with noise."""
    random = np.random.default_rng(0)
    outputs = [random.normal(0, NOISE, (2 * KEYPOINTS, side // 4, side // 4))]
    outputs.append(random.normal(0, NOISE, (KEYPOINTS, side // 2, side // 2)))
    centres = (np.stack(np.divmod(np.arange(people), 5), axis=1)[:, ::-1] + 0.5) * side / 5
    for person, centre in enumerate(centres):
        for keypoint in np.flatnonzero(random.random(KEYPOINTS) > MISSING):
            xy, height = centre + random.uniform(-0.08, 0.08, 2) * side, random.uniform(0.4, 0.9)
            for output, stride in zip(outputs, (4, 2), strict=True):
                squares = squared_distances(output.shape[1:], xy / stride)
                output[keypoint] = np.maximum(output[keypoint], height * np.exp(-squares / 8))
            near = squared_distances(outputs[0].shape[1:], xy / 4) < 36
            outputs[0][KEYPOINTS + keypoint][near] = 2 * person + random.normal(0, 0.1)
    return [output.astype(np.float32) for output in outputs]


def squared_distances(shape: tuple[int, ...], xy: np.ndarray) -> np.ndarray:
    y, x = np.indices(shape) + 0.5
    return (x - xy[0]) ** 2 + (y - xy[1]) ** 2


def milliseconds(decoder: FastDecoder, looks: list[Look], runs: int) -> tuple[float, int]:
    """Return the median over runs, and the number of people."""
    spent = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        merged = decoder.merge(looks)
        poses = decoder(merged.maps, merged.placement)
        spent.append(time.perf_counter() - start)
    return 1e3 * float(np.median(spent[1:])), len(poses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--people', type=int, default=15)
    parser.add_argument('--side', type=int, default=512)
    parser.add_argument('--runs', type=int, default=30)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    outputs = drawn_outputs(arguments.people, arguments.side)
    looks = [Look(outputs, CentredAffine.short_side((arguments.side, arguments.side), arguments.side))]
    times = {name: milliseconds(kind(), looks, arguments.runs) for name, kind in DECODERS.items()}
    for name, (spent, people) in times.items():
        print(f'{name:10} {spent:8.1f} ms  {spent / times["published"][0]:5.2f} of published  {people} people')


if __name__ == '__main__':
    main()
