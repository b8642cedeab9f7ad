"""`benchmark --tracking`: compares trackers on synthetic people with the same detections."""

from dataclasses import asdict, dataclass

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.benchmark.output import publish
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.tables import table_lines
from pose_estimation_ros.evaluation.tracking_comparison import TrackerRun, detect, run_trackers, total
from pose_estimation_ros.synthetic.crossing import CrossingSettings, crossing_video
from pose_estimation_ros.tracking.trackers import TRACKERS

SEQUENCES = 4
COLUMNS = ('tracker', 'people', 'misses', 'false_positives', 'switches', 'ids', 'mota', 'idf1', 'update_ms')


@dataclass(frozen=True)
class TrackerRow:
    """Counts of one tracker over all sequences; `update_ms` is the median per frame, without detection."""

    tracker: str
    people: int
    misses: int
    false_positives: int
    switches: int
    ids: int
    mota: float
    idf1: float
    update_ms: float


def run_tracking(settings: Namespace, write_results: Write) -> None:
    """Track the people of several crossings with every tracker, print the table, and write what is wanted."""
    if settings.output:
        make_folder(settings.output)  # fails now, not after minutes
    scene = CrossingSettings(frames=settings.frames)
    runs: dict[str, list[TrackerRun]] = {name: [] for name in TRACKERS}
    for seed in tqdm(range(SEQUENCES), desc='crossings', leave=False):
        for name, run in run_trackers(detect(crossing_video(seed, scene), seed), TRACKERS).items():
            runs[name].append(run)
    rows = [_row(name, each) for name, each in runs.items()]
    frames = f'{counted(settings.frames, "frame")} each at {scene.fps:g} a second'
    say(f'{SEQUENCES} crossings of {scene.people} people, {frames}')
    names = ('tracking.txt', 'tracking.json')
    publish(settings, write_results, format_tracking(rows), [asdict(row) for row in rows], names)


def format_tracking(rows: list[TrackerRow]) -> str:
    """Return the rows as text."""
    texts = [[name.replace('_', ' ') for name in COLUMNS]]
    texts += [
        [f'{value:.3f}' if isinstance(value, float) else str(value) for value in asdict(row).values()] for row in rows
    ]
    return '\n'.join(table_lines(texts, range(len(COLUMNS))))


def _row(name: str, runs: list[TrackerRun]) -> TrackerRow:
    counts = total(run.result for run in runs)
    spent = [each for run in runs for each in run.update_ms]
    return TrackerRow(
        tracker=name,
        people=counts.people,
        misses=counts.misses,
        false_positives=counts.false_positives,
        switches=counts.switches,
        ids=counts.ids,
        mota=round(counts.mota, 4),
        idf1=round(counts.idf1, 4),
        update_ms=round(float(np.median(spent)), 3),
    )
