"""Write test/golden from the full reference vectors: `python scripts/pack_golden.py ../shared/golden`.

Files stay under 200 kB. Arrays of one vector are spread over as many files as they need (`x.0.npz`, `x.1.npz`, ...);
an array larger than a file is cut along its first axis (`name@0`, `name@1`, ...). THINNED says what is left out.
"""

import gzip
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parent.parent / 'test' / 'golden'
FILE_LIMIT = 190_000
Arrays = dict[str, np.ndarray]

COPIED = ('coco_ap_gt.json', 'coco_ap_detections.json')
KEY_LISTS = ('keys_*.json', 'map_*.json')
WHOLE = (
    *('assignment_higherhrnet', 'augment_dekr', 'augment_dekr_sg', 'augment_higherhrnet', 'augment_thawro'),
    *('coco_ap', 'decode_rtm', 'losses', 'losses_higherhrnet', 'losses_thawro', 'metrics_sg'),
    *('net_hrnet_imagenet_official_w32', 'rescoring_dekr', 'rescoring_sg', 'sizes_bottomup'),
    *('target_dekr', 'target_higherhrnet', 'target_lwop', 'target_simplebaselines', 'tracking_lwop', 'training_sg'),
)


def three_crops_of_twelve(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Of the scene with twelve people, crops 0 (no map without a positive value), 2 and 3 (maxima on the border)."""
    return {name: array[[0, 2, 3]] if name.startswith('s12_') else array for name, array in arrays.items()}


def every_third_enlarged(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Every third row and column of the enlarged maps, renamed `..._every3`; their peaks are complete."""
    return dict(
        (f'{name}_every3', array[::3, ::3]) if '_up_' in name else (name, array) for name, array in arrays.items()
    )


def without_repetition(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Leave out a stored input (its seed gives it) and float32 outputs that are there in float64's precision too."""
    return {name: array for name, array in arrays.items() if name != 'input' and f'{name}_f64' not in arrays}


def without_the_tall_image_and_the_plot(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Of the classifier's three images, the wide one and the small one."""
    return {name: array for name, array in arrays.items() if not name.startswith(('tall_', 'plot_'))}


def without_sampled_maps(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Leave out samples of merged maps; the sums and poses that are there depend on all of them."""
    sampled = ('heatmaps_every4', 'tags_every4')
    return {name: array for name, array in arrays.items() if not name.endswith(sampled)}


THINNED: dict[str, Callable[[Mapping[str, np.ndarray]], Arrays]] = {
    'classification': without_the_tall_image_and_the_plot,
    'decode_lwop': every_third_enlarged,
    'decode_simplebaselines': three_crops_of_twelve,
    'pipeline_higherhrnet': without_sampled_maps,
    'pipeline_higherhrnet_multiscale': without_sampled_maps,
    'pipeline_thawro': without_sampled_maps,
    'net_higherhrnet_official_w48': without_repetition,
    'net_lwop_*': without_repetition,
    'net_pose_resnet_50_17j': without_repetition,
}


def size_of(arrays: Mapping[str, np.ndarray]) -> int:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.tell()


def pieces(name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Cut an array that is larger than a file along its first axis."""
    count = -(-size_of({name: array}) // FILE_LIMIT)
    if count == 1:
        yield name, array
    else:
        yield from ((f'{name}@{index}', piece) for index, piece in enumerate(np.array_split(array, count)))


def files_of(arrays: Mapping[str, np.ndarray]) -> list[Arrays]:
    files: list[Arrays] = [{}]
    for name, array in arrays.items():
        for piece_name, piece in pieces(name, array):
            if size_of(files[-1] | {piece_name: piece}) > FILE_LIMIT:
                files.append({})
            files[-1][piece_name] = piece
    return files


def write_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    files = [arrays] if size_of(arrays) < 200_000 else files_of(arrays)
    for index, content in enumerate(files):
        np.savez_compressed(TARGET / (f'{name}.{index}.npz' if len(files) > 1 else f'{name}.npz'), **content)


def selected(source: Path) -> Iterator[tuple[str, Arrays]]:
    """Yield the name and the arrays of each vector that test/golden holds."""
    for name in WHOLE:
        yield name, dict(np.load(source / f'{name}.npz'))
    for pattern, thin in THINNED.items():
        for path in sorted(source.glob(f'{pattern}.npz')):
            yield path.stem, thin(np.load(path))


def main(source: Path) -> None:
    for pattern in KEY_LISTS:
        for path in sorted(source.glob(pattern)):
            (TARGET / f'{path.name}.gz').write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    for name in COPIED:
        (TARGET / name).write_bytes((source / name).read_bytes())
    for name, arrays in selected(source):
        write_arrays(name, arrays)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
