"""`benchmark --tracking`: compares trackers on synthetic people with the same detections."""

from collections.abc import Sequence

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.output import Row, format_rows, publish
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.evaluation.tracking_comparison import TrackerRun, detect, run_trackers, total
from pose_estimation_ros.synthetic.crossing import CrossingSettings, crossing_video
from pose_estimation_ros.tracking.trackers import TRACKERS

SEQUENCES = 4
COUNTS = ('people', 'misses', 'false_positives', 'switches', 'ids')
COLUMNS = {
    'tracker': ('tracker', '{:>}'),
    **{name: (name.replace('_', ' '), '{:d}') for name in COUNTS},
    **{name: (name.replace('_', ' '), '{:.3f}') for name in ('mota', 'idf1', 'update_ms')},
}


def run_tracking(settings: Namespace, write_results: Write) -> None:
    """Track the people of several crossings with every tracker, print the table, and write what is wanted."""
    scene = CrossingSettings(frames=settings.frames)
    runs: dict[str, list[TrackerRun]] = {name: [] for name in TRACKERS}
    for seed in tqdm(range(SEQUENCES), desc='crossings', leave=False):
        for name, run in run_trackers(detect(crossing_video(seed, scene), seed), TRACKERS).items():
            runs[name].append(run)
    rows = [_row(name, each) for name, each in runs.items()]
    frames = f'{counted(settings.frames, "frame")} each at {scene.fps:g} a second'
    say(f'{SEQUENCES} crossings of {scene.people} people, {frames}')
    publish(settings, write_results, '\n'.join(format_rows(rows, COLUMNS)), rows, ('tracking.txt', 'tracking.json'))


def _row(name: str, runs: Sequence[TrackerRun]) -> Row:
    """Return the counts of one tracker over all sequences; `update_ms` is the median per frame, without detection."""
    counts = total(run.result for run in runs)
    return {
        'tracker': name,
        **{count: getattr(counts, count) for count in COUNTS},
        'mota': round(counts.mota, 4),
        'idf1': round(counts.idf1, 4),
        'update_ms': round(float(np.median([each for run in runs for each in run.update_ms])), 3),
    }
