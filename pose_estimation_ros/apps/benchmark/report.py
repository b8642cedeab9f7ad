"""Plots of the benchmark, and from how many people on one method is slower than another."""

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.files import atomic_write

CROWD = re.compile(r'synthetic (\d+)')
Curve = list[tuple[int, float]]
"""Number of people drawn, and milliseconds per frame."""
STAGES = {'detect_ms': '#7a9e4b', 'preprocess_ms': '#9aa5b1', 'forward_ms': '#2f6fad', 'decode_ms': '#e08a2e'}


@dataclass(frozen=True)
class StageRow:
    """Medians of one configuration on one source; `total_p95_ms` is the 95th percentile."""

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


def draw_plot(rows: Sequence[StageRow], path: Path) -> None:
    """Draw a stacked bar of stages for each row, a panel for each source."""
    shown = {stage: colour for stage, colour in STAGES.items() if any(getattr(row, stage) for row in rows)}
    panels = [(source, list(members)) for source, members in groupby(rows, key=lambda row: row.source)]
    sizes = [len(members) for _, members in panels]
    height = 0.9 + sum(0.5 + 0.3 * size for size in sizes)
    options = {'sharex': True, 'squeeze': False, 'gridspec_kw': {'height_ratios': sizes}}
    with _figure(path, (9, height), len(panels), **options) as (figure, axes):
        for axis, (source, members) in zip(axes[:, 0], panels, strict=True):
            left = np.zeros(len(members))
            for stage, colour in shown.items():
                widths = [getattr(row, stage) for row in members]
                axis.barh(range(len(members)), widths, left=left, color=colour, label=stage.removesuffix('_ms'))
                left += widths
            for index, row in enumerate(members):
                axis.text(left[index], index, f' {row.total_ms:.1f} ms, {row.speedup:.1f}x', va='center', fontsize=8)
            axis.set_yticks(range(len(members)), [_configuration(row) for row in members], fontsize=8)
            axis.set_title(f'{source}: {members[-1].people:g} people found', fontsize=9, loc='left')
            axis.invert_yaxis()
            axis.spines[['top', 'right']].set_visible(False)
        longest = max(row.total_ms for row in rows)
        axes[-1, 0].set(xlabel='milliseconds a frame (median)', xlim=(0, longest * 1.22))
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside upper right', ncols=3, frameon=False, fontsize=8)


def draw_crossing(rows: Sequence[StageRow], path: Path) -> None:
    """Draw milliseconds per frame against the number of people, a line for each configuration."""
    with _figure(path, (8, 5)) as (_, axis):
        for (method, configuration), curve in curves(rows).items():
            style, label = '-' if method == rows[0].method else '--', f'{method}: {configuration}'
            axis.plot([number for number, _ in curve], [ms for _, ms in curve], style, marker='o', label=label)
        axis.set(xlabel='people drawn', ylabel='milliseconds a frame (median)')
        axis.set_ylim(bottom=0)
        axis.spines[['top', 'right']].set_visible(False)
        axis.legend(fontsize=7, frameon=False)


@contextlib.contextmanager
def _figure(path: Path, size: tuple[float, float], panels: int = 1, **options: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a figure and its axes, written to `path` at the end."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(panels, 1, figsize=size, layout='constrained', **options)
    yield figure, axes
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format='png')
    pyplot.close(figure)


def _configuration(row: StageRow) -> str:
    return f'{row.weights} {row.backend} {row.precision} {row.decode}'


def curves(rows: Sequence[StageRow]) -> dict[tuple[str, str], Curve]:
    """Return total time against the number of people for each method and configuration."""
    found: dict[tuple[str, str], Curve] = defaultdict(list)
    for row in rows:
        if crowd := CROWD.fullmatch(row.source):
            found[row.method, _configuration(row)].append((int(crowd[1]), row.total_ms))
    return {configuration: sorted(curve) for configuration, curve in found.items()}


def crossing(first: Curve, second: Curve) -> float | None:
    """Return the number of people above which `first` is slower than `second`; None for never, 0 for always."""
    people = [number for number, _ in first]
    ahead = np.array([ms for _, ms in first]) - np.array([ms for _, ms in second])
    if ahead[0] > 0:
        return 0.0
    for index in range(1, len(people)):
        if ahead[index] > 0:
            return float(np.interp(0, ahead[index - 1 : index + 1], people[index - 1 : index + 1]))
    return None


def crossings(rows: Sequence[StageRow]) -> list[str]:
    """Return a sentence for each pair of a configuration of the first row's method and one of another method."""
    every = curves(rows)
    own = {key: curve for key, curve in every.items() if key[0] == rows[0].method}
    sentences = []
    for (method, configuration), curve in every.items():
        for (other, whole), reference in own.items():
            if method != other:
                compared = _comparison(crossing(curve, reference))
                sentences.append(f'{method} ({configuration}) {compared} than {other} ({whole})')
    return sentences


def _comparison(people: float | None) -> str:
    if people is None:
        return 'is faster for all numbers of people measured'
    return f'is slower from about {people:.1f} people on' if people else 'is slower for all numbers of people'
