"""Where looking at one person at a time becomes slower than looking at the whole picture."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pose_estimation_ros.core.files import written_whole

if TYPE_CHECKING:
    from pose_estimation_ros.apps.commands.benchmark import Row

CROWD = re.compile(r'synthetic (\d+)')
Curve = list[tuple[int, float]]
"""Number of people drawn, and milliseconds a frame."""


def curves(rows: Sequence['Row']) -> dict[tuple[str, str], Curve]:
    """Return the total of each way against the number of people drawn, by method and what it ran on."""
    found: dict[tuple[str, str], Curve] = defaultdict(list)
    for row in rows:
        crowd = CROWD.fullmatch(row.source)
        if crowd:
            way = f'{row.weights} {row.backend} {row.precision} {row.decode}'
            found[row.method, way].append((int(crowd[1]), row.total_ms))
    return {way: sorted(curve) for way, curve in found.items()}


def crossing(first: Curve, second: Curve) -> float | None:
    """Return from how many people on `first` is slower than `second`; None where it never is, 0 where it always is."""
    people = [number for number, _ in first]
    ahead = np.array([ms for _, ms in first]) - np.array([ms for _, ms in second])
    if ahead[0] > 0:
        return 0.0
    for place in range(1, len(people)):
        if ahead[place] > 0:
            share = -ahead[place - 1] / (ahead[place] - ahead[place - 1])
            return float(people[place - 1] + share * (people[place] - people[place - 1]))
    return None


def crossings(rows: Sequence['Row']) -> list[str]:
    """Return a sentence for each way of another method than the first row's, against each of that method's."""
    if not rows or all(row.method == rows[0].method for row in rows):
        return []
    every = curves(rows)
    sentences = []
    for (method, way), curve in every.items():
        for (other, whole), reference in every.items():
            if method != rows[0].method and other == rows[0].method:
                sentences.append(f'{method} ({way}) {_told(crossing(curve, reference))} {other} ({whole})')
    return sentences


def _told(people: float | None) -> str:
    if people is None:
        return 'is faster for all numbers of people measured than'
    return f'is slower from about {people:.1f} people on than' if people else 'is slower for all numbers of people than'


def draw_crossing(rows: Sequence['Row'], path: Path) -> None:
    """Draw milliseconds a frame against the number of people, a line for each way."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 5), layout='constrained')
    for (method, way), curve in curves(rows).items():
        style = '-' if method == rows[0].method else '--'
        axis.plot([number for number, _ in curve], [ms for _, ms in curve], style, marker='o', label=f'{method}: {way}')
    axis.set(xlabel='people drawn', ylabel='milliseconds a frame (median)')
    axis.set_ylim(bottom=0)
    axis.spines[['top', 'right']].set_visible(False)
    axis.legend(fontsize=7, frameon=False)
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110, format='png')
    pyplot.close(figure)
