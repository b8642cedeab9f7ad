"""Tables and plots of the benchmark."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.core.tables import table_lines

CROWD = re.compile(r'synthetic (\d+)')
Curve = list[tuple[int, float]]
"""Number of people drawn, and milliseconds per frame."""

STAGES = {'detect_ms': '#7a9e4b', 'preprocess_ms': '#9aa5b1', 'forward_ms': '#2f6fad', 'decode_ms': '#e08a2e'}
HEADINGS = (
    *('source', 'people', 'weights', 'backend', 'precision', 'decode', 'height'),
    *('prepare', 'forward', 'decode', 'total', 'p95', 'speed-up'),
)
TIMES_BEGIN = HEADINGS.index('prepare')


@dataclass(frozen=True)
class StageRow:
    """Medians of one way on one source; `total_p95_ms` is the 95th percentile."""

    method: str
    weights: str
    backend: str
    precision: str
    decode: str
    height: int
    source: str
    people: float
    preprocess_ms: float
    forward_ms: float
    decode_ms: float
    total_ms: float
    total_p95_ms: float
    speedup: float
    """Relative to the published demo on the same frames."""
    detect_ms: float = 0.0
    """Person detection, of top-down methods."""


def format_table(rows: Sequence[StageRow]) -> str:
    """Return the rows as text: medians in milliseconds."""
    detects = any(row.detect_ms for row in rows)
    headings = HEADINGS[:TIMES_BEGIN] + ('detect',) * detects + HEADINGS[TIMES_BEGIN:]
    head, *body = table_lines([headings, *(_cells(row, detects) for row in rows)], {1, *range(6, len(headings))})
    lines = [head]
    for number, line in enumerate(body):
        if number == 0 or rows[number].source != rows[number - 1].source:
            lines.append('-' * len(head))
        lines.append(line)
    return '\n'.join(
        [*lines, 'milliseconds a frame (medians, p95 of the total); speed-up over the first row of a source']
    )


def _cells(row: StageRow, detects: bool) -> tuple[str, ...]:
    names = (row.source, f'{row.people:g}', row.weights, row.backend, row.precision, row.decode, str(row.height))
    times = (
        *(row.detect_ms,) * detects,
        row.preprocess_ms,
        row.forward_ms,
        row.decode_ms,
        row.total_ms,
        row.total_p95_ms,
    )
    return (*names, *(f'{time:.2f}' for time in times), f'{row.speedup:.1f}x')


NODE_COLUMNS = {
    'source': 'source',
    'sent': 'sent',
    'processed': 'done',
    'dropped': 'dropped',
    'lost': 'lost',
    'age_p50_ms': 'age p50',
    'age_p95_ms': 'p95',
    'publish_ms': 'publish',
    'transport_ms': 'transport',
    'queue_ms': 'queue',
    'wait_ms': 'wait',
    'convert_ms': 'convert',
    'total_ms': 'pipeline',
    'track_ms': 'track',
    'send_ms': 'send',
    'back_ms': 'back',
    'bare_ms': 'bare',
    'own_ms': 'own',
    'overhead_ms': 'overhead',
    'load': 'load',
}
NODE_NOTE = """\
done: images processed of those sent; dropped (newer ones arrived while the node was busy) and lost (by the middleware)
include the warm-up of 15 images; median milliseconds of an image: the camera's publish(), transport to the node's
callback, queue behind another image, wait for the worker thread, conversion, pipeline, tracking, sending messages, and
back to a listener; bare: the pipeline without ROS; own: from callback to sent without queue and pipeline; overhead:
from callback to sent without queue and bare, which includes the slowdown of the pipeline by camera, listener and
middleware, and is below 0 if noise is larger; load: of the machine; -: nothing arrived"""


def format_node_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of `benchmark --ros` as text."""
    cells = [list(NODE_COLUMNS.values()), *([_number(row[name]) for name in NODE_COLUMNS] for row in rows)]
    head, *body = table_lines(cells, range(1, len(NODE_COLUMNS)))
    return '\n'.join([head, '-' * len(head), *body, NODE_NOTE])


def _number(value: Any) -> str:
    return '-' if value is None else f'{value:.2f}' if isinstance(value, float) else str(value)


def draw_plot(rows: Sequence[StageRow], path: Path) -> None:
    """Draw a stacked bar of stages for each row, a panel for each source."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    shown = {stage: colour for stage, colour in STAGES.items() if any(getattr(row, stage) for row in rows)}
    panels = [(source, list(members)) for source, members in groupby(rows, key=lambda row: row.source)]
    height = 0.9 + sum(0.5 + 0.3 * len(members) for _, members in panels)
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(9, height), sharex=True, squeeze=False,
        gridspec_kw={'height_ratios': [len(members) for _, members in panels]}, layout='constrained',
    )  # fmt: skip
    for axis, (source, members) in zip(axes[:, 0], panels, strict=True):
        labels = [f'{row.weights} {row.backend} {row.precision} {row.decode}' for row in members]
        left = [0.0] * len(members)
        for stage, colour in shown.items():
            widths = [getattr(row, stage) for row in members]
            axis.barh(range(len(members)), widths, left=left, color=colour, label=stage.removesuffix('_ms'))
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for index, row in enumerate(members):
            axis.text(left[index], index, f' {row.total_ms:.1f} ms, {row.speedup:.1f}x', va='center', fontsize=8)
        axis.set_yticks(range(len(members)), labels, fontsize=8)
        axis.set_title(f'{source}: {members[-1].people:g} people found', fontsize=9, loc='left')
        axis.invert_yaxis()
        axis.spines[['top', 'right']].set_visible(False)
    longest = max(row.total_ms for row in rows)
    axes[-1, 0].set(xlabel='milliseconds a frame (median)', xlim=(0, longest * 1.22))
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc='outside upper right', ncols=3, frameon=False, fontsize=8
    )
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format='png')
    pyplot.close(figure)


def curves(rows: Sequence[StageRow]) -> dict[tuple[str, str], Curve]:
    """Return total time against the number of people for each method and configuration."""
    found: dict[tuple[str, str], Curve] = defaultdict(list)
    for row in rows:
        crowd = CROWD.fullmatch(row.source)
        if crowd:
            configuration = f'{row.weights} {row.backend} {row.precision} {row.decode}'
            found[row.method, configuration].append((int(crowd[1]), row.total_ms))
    return {configuration: sorted(curve) for configuration, curve in found.items()}


def crossing(first: Curve, second: Curve) -> float | None:
    """Return the number of people above which `first` is slower than `second`; None for never, 0 for always."""
    people = [number for number, _ in first]
    ahead = np.array([ms for _, ms in first]) - np.array([ms for _, ms in second])
    if ahead[0] > 0:
        return 0.0
    for index in range(1, len(people)):
        if ahead[index] > 0:
            share = -ahead[index - 1] / (ahead[index] - ahead[index - 1])
            return float(people[index - 1] + share * (people[index] - people[index - 1]))
    return None


def crossings(rows: Sequence[StageRow]) -> list[str]:
    """Return a sentence for each pair of a configuration of the first row's method and one of another method."""
    if not rows or all(row.method == rows[0].method for row in rows):
        return []
    every = curves(rows)
    sentences = []
    for (method, configuration), curve in every.items():
        for (other, whole), reference in every.items():
            if method != rows[0].method and other == rows[0].method:
                comparison = _comparison(crossing(curve, reference))
                sentences.append(f'{method} ({configuration}) {comparison} {other} ({whole})')
    return sentences


def _comparison(people: float | None) -> str:
    if people is None:
        return 'is faster for all numbers of people measured than'
    return f'is slower from about {people:.1f} people on than' if people else 'is slower for all numbers of people than'


def draw_crossing(rows: Sequence[StageRow], path: Path) -> None:
    """Draw milliseconds per frame against the number of people, a line for each configuration."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 5), layout='constrained')
    for (method, configuration), curve in curves(rows).items():
        style, label = '-' if method == rows[0].method else '--', f'{method}: {configuration}'
        axis.plot([number for number, _ in curve], [ms for _, ms in curve], style, marker='o', label=label)
    axis.set(xlabel='people drawn', ylabel='milliseconds a frame (median)')
    axis.set_ylim(bottom=0)
    axis.spines[['top', 'right']].set_visible(False)
    axis.legend(fontsize=7, frameon=False)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format='png')
    pyplot.close(figure)
