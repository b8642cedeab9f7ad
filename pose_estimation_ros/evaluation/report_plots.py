"""Plots of a report as SVG, in the text colour of the page."""

import io
import re
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.packages import require_package
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.evaluation.coco_score import PrecisionRecall
from pose_estimation_ros.evaluation.matching import KeypointScores

INK = '#123456'
"""Replaced by the page's text colour."""

EASY, HARD = np.array([46, 134, 222]), np.array([233, 110, 44])
"""RGB of the curves at OKS 0.5 and 0.95, visible on white and on black."""

BARS = {'left': '#3d8fd1', 'right': '#e08a2e', 'middle': '#4aa564'}
FONT = 10


def require_matplotlib() -> None:
    require_package('matplotlib.figure', 'a report', EvaluationError, 'evaluate')


def precision_recall_plot(curves: PrecisionRecall) -> str:
    """Return precision over recall, a curve for each OKS threshold."""
    figure, (axis,) = _figure(1, (7.6, 4.2))
    for index, (threshold, precision) in enumerate(zip(curves.thresholds, curves.precision, strict=True)):
        share = index / max(1, len(curves.thresholds) - 1)
        colour = (EASY * (1 - share) + HARD * share) / 255
        area = float(precision.mean())
        reached = np.where(precision > 0, precision, np.nan)
        axis.plot(curves.recalls, reached, color=colour, linewidth=1.8, label=f'{threshold:.2f}   AP {area:.3f}')
    axis.set(xlabel='recall', ylabel='precision', xlim=(0, 1), ylim=(0, 1.02))
    axis.grid(color=INK, alpha=0.15, linewidth=0.7)
    axis.legend(title='OKS', loc='center left', bbox_to_anchor=(1.02, 0.5), frameon=False, labelcolor=INK)
    axis.get_legend().get_title().set_color(INK)
    return _svg(figure, 'Precision over recall at OKS 0.5 to 0.95')


def keypoints_plot(keypoints: KeypointScores, skeleton: Skeleton = COCO_17) -> str:
    """Return bars of every keypoint: similarity, distance, share found."""
    figure, axes = _figure(3, (10.4, 0.26 * len(skeleton) + 1.1))
    columns = (
        (keypoints.similarity, 'mean similarity (OKS of the keypoint)', '.2f'),
        (keypoints.distance, 'median distance, % of person size', '.1f'),
        (keypoints.found, 'found, % of labelled', '.0f'),
    )
    names = [name.replace('_', ' ') for name in skeleton.keypoints]
    colours = [BARS.get(name.partition('_')[0], BARS['middle']) for name in skeleton.keypoints]
    for axis, (values, title, form) in zip(axes, columns, strict=True):
        _bars(axis, values, colours, form)
        axis.set_title(title, fontsize=FONT, color=INK, loc='left')
    axes[0].set_yticks(range(len(names)), names)
    return _svg(figure, 'Accuracy of each keypoint')


def _bars(axis: Any, values: FloatArray, colours: list[str], form: str) -> None:
    known = np.nan_to_num(values)
    axis.barh(range(len(values)), known, color=colours, height=0.72)
    for index, value in enumerate(values):
        text = 'none' if np.isnan(value) else format(value, form)
        end, beside = (known[index], index), {'xytext': (4, 0), 'textcoords': 'offset points'}
        axis.annotate(text, end, **beside, va='center', fontsize=FONT - 1.5, color=INK)
    axis.set_ylim(len(values) - 0.4, -0.6)
    axis.set_xlim(0, max(float(known.max()) * 1.18, 1e-6))
    axis.set_xticks([])
    axis.spines['bottom'].set_visible(False)


def _figure(panels: int, inches: tuple[float, float]) -> tuple[Any, Any]:
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout='constrained')
    axes = figure.subplots(1, panels, sharey=panels > 1, squeeze=False)[0]
    for axis in axes:
        axis.set_facecolor('none')
        axis.tick_params(colors=INK, labelsize=FONT - 1, length=0)
        axis.spines[['top', 'right']].set_visible(False)
        axis.spines[['left', 'bottom']].set_color(INK)
        axis.xaxis.label.set_color(INK)
        axis.yaxis.label.set_color(INK)
    return figure, axes


def _svg(figure: Any, description: str) -> str:
    """Return a figure as an SVG element that keeps text as text."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': description, 'font.size': FONT}):
        figure.savefig(file, format='svg', transparent=True, metadata={'Date': None})
    drawing = file.getvalue()
    drawing = drawing[drawing.index('<svg') :].replace(INK, 'currentColor')
    drawing = re.sub(r'<metadata>.*?</metadata>', '', drawing, flags=re.DOTALL)
    drawing = re.sub(r'font: ([^;"]*?px) [^;"]*', r'font: \1 system-ui, sans-serif', drawing)
    width = round(72 * figure.get_size_inches()[0] * 4 / 3)  # points are 4/3 of a page's pixels
    return drawing.replace('<svg', f'<svg style="max-width: {width}px" role="img" aria-label="{description}"', 1)
