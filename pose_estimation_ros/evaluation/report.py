"""An HTML page about an evaluation: one file with everything in it, for light and dark screens."""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.evaluation.coco_score import CocoScore
from pose_estimation_ros.evaluation.matching import UNMATCHED, ImageMatch, keypoint_scores
from pose_estimation_ros.evaluation.report_plots import keypoints_plot, precision_recall_plot

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2329; --quiet: #5c6670; --line: #d9dee3; --card: #f5f7f9 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --ink: #e4e8ec; --quiet: #9aa5b0; --line: #333b43; --card: #1d2328 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 40px 0 10px }
.facts { color: var(--quiet); margin: 6px 0 0 }
.quiet { color: var(--quiet) }
table { border-collapse: collapse; font-size: .94rem }
th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600 }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td { overflow-wrap: anywhere }
td.number { overflow-wrap: normal }
section { overflow-x: auto }
section > svg { display: block; width: 100%; min-width: 640px; height: auto }
.cards { display: grid; gap: 16px; align-items: start }
.cards { grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)) }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 10px }
.pair { display: flex; gap: 6px; align-items: flex-start }
.pair img { width: calc(50% - 3px); height: auto; border-radius: 4px }
figcaption { font-size: .86rem; color: var(--quiet); margin-top: 6px; overflow-wrap: anywhere }
figcaption b { color: var(--ink); font-weight: 600 }
"""


WORST = 16
THUMBNAIL = 380  # Longer side of an image in pixels
QUALITY = 78
MEANINGS = {
    'AP': ('all', 'mean over OKS 0.50 to 0.95'),
    'AP50': ('all', 'OKS 0.50'),
    'AP75': ('all', 'OKS 0.75'),
    'APm': ('32² to 96² pixels', 'mean over OKS 0.50 to 0.95'),
    'APl': ('over 96² pixels', 'mean over OKS 0.50 to 0.95'),
}
"""Rows of the score: people, and OKS thresholds."""


@dataclass(frozen=True, eq=False)
class Report:
    title: str
    score: CocoScore
    matches: Sequence[ImageMatch]
    files: Mapping[int, Path]  # By image id; images without a file are not shown
    timings: Mapping[str, tuple[float, float]]  # Median and 95th percentile of each stage, in milliseconds
    settings: Mapping[str, Any]


def write_report(path: Path, report: Report) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(page(report), encoding='utf-8')


def page(report: Report) -> str:
    people = counted(sum(len(each.truth) for each in report.matches), 'person', 'people')
    found = sum(len(each.found) for each in report.matches)
    missed = sum(int((each.partner == UNMATCHED).sum()) for each in report.matches)
    images, detections = counted(len(report.matches), 'image'), counted(found, 'detection')
    facts = f'{images}, {people} with keypoints, {missed} missed, {detections}'
    sections = [
        ('Score', _score_table(report.score)),
        ('Precision and recall', precision_recall_plot(report.score.curves) if report.score.curves else ''),
        ('Keypoints of the people found', keypoints_plot(keypoint_scores(report.matches))),
        ('Worst images', _worst(report)),
        ('Time', _timing_table(report.timings)),
        ('Settings', _table([(html.escape(name), _shown(value)) for name, value in report.settings.items()])),
    ]
    body = '\n'.join(f'<section><h2>{heading}</h2>\n{content}</section>' for heading, content in sections if content)
    title = html.escape(report.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><style>{STYLE}</style></head>\n'
        f'<body><main><h1>{title}</h1><p class="facts">{html.escape(facts)}</p>\n{body}\n</main></body></html>\n'
    )


def _score_table(score: CocoScore) -> str:
    numbers = {name: 'n/a' if math.isnan(value) else f'{value:.3f}' for name, value in score.as_dict().items()}
    rows = [
        (people, threshold, numbers[name], numbers[name.replace('AP', 'AR')])
        for name, (people, threshold) in MEANINGS.items()
    ]
    return _table(rows, numbers=2, head=('people', 'matched at', 'AP', 'AR'))


def _timing_table(timings: Mapping[str, tuple[float, float]]) -> str:
    rows = [(name, f'{median:.2f}', f'{p95:.2f}') for name, (median, p95) in timings.items()]
    return _table(rows, numbers=2, head=('ms per image', 'median', 'p95')) if rows else ''


def _table(rows: Sequence[Sequence[str]], numbers: int = 0, head: Sequence[str] = ()) -> str:
    """Return a table of HTML texts whose last columns are numbers."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        first = len(texts) - numbers
        classes = ['' if index < first else ' class="number"' for index in range(len(texts))]
        return ''.join(f'<{tag}{kind}>{text}</{tag}>' for kind, text in zip(classes, texts, strict=True))

    lines = [f'<tr><th scope="row">{row[0]}</th>{cells("td", row[1:])}</tr>' for row in rows]
    title = f'<tr>{cells("th", head)}</tr>' if head else ''
    return f'<table>{title}{"".join(lines)}</table>'


def _shown(value: Any) -> str:
    if value is None or value == '':
        return '<span class="quiet">not set</span>'
    return html.escape(', '.join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _worst(report: Report) -> str:
    """Return the images with the greatest loss, truth and result side by side; '' if there are none."""
    worst = sorted((each for each in report.matches if each.loss > 0), key=lambda each: -each.loss)
    shown = (_card(each, report.files[each.image_id]) for each in worst if each.image_id in report.files)
    cards = list(islice(filter(None, shown), WORST))
    if not cards:
        return ''
    note = 'Left: annotations, right: detections. Limbs of the right side are orange, of the left side blue.'
    return f'<p class="quiet">{note}</p><div class="cards">{"".join(cards)}</div>'


def _card(match: ImageMatch, file: Path) -> str:
    try:
        image = read_image(file)
    except ImageError:  # detections from a file are scored without reading images
        return ''
    scale = min(1.0, THUMBNAIL / max(image.shape[:2]))
    small = cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    drawn = [_drawn(small.astype(np.uint8, copy=False), people, scale) for people in (match.truth, match.found)]
    tags = ''
    for each, what in zip(drawn, ('annotated', 'found'), strict=True):
        _, jpeg = cv2.imencode('.jpg', each, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        tags += (
            f'<img src="data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}" alt="{what} people of '
            f'{html.escape(file.name)}" width="{each.shape[1]}" height="{each.shape[0]}">'
        )
    scores = ', '.join(f'{value:.2f}' if value else 'missed' for value in sorted(match.oks))
    wrong = f', {counted(match.false_positives, "false positive")}' if match.false_positives else ''
    caption = f'<b>{html.escape(file.name)}</b> {len(match.truth)} annotated, {len(match.found)} found{wrong}'
    caption = f'<figcaption>{caption}<br>OKS {scores or "none"}</figcaption>'
    return f'<figure><div class="pair">{tags}</div>{caption}</figure>'


def _drawn(image: ByteArray, people: FloatArray, scale: float) -> ByteArray:
    """Draw people (P, 17, 3) in COCO's pixels on an image that was scaled down."""
    xy = people[..., :2] * scale - PIXEL_CORNER
    flagged = np.where(people[..., 2:] > 0, np.concatenate([xy, people[..., 2:]], axis=2), np.nan)
    return np.asarray(draw_poses(image, [Pose(person, 1.0, COCO_17) for person in flagged]))
