"""`evaluate`: COCO's score and the speed of a model, or of a file of detections, on an annotated dataset."""

import json
import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from pose_estimation_ros.apps.commands.evaluate_pckh import run_pckh
from pose_estimation_ros.apps.options.boxes_option import DETECTOR_OPTIONS, add_boxes, check_boxes
from pose_estimation_ros.apps.options.json_option import Write, json_results
from pose_estimation_ros.apps.options.looks_option import add_looks, parse_scales
from pose_estimation_ros.apps.options.model_options import add_model_options, make_learner, weights_of
from pose_estimation_ros.apps.options.parser import add_flag, say
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import STDOUT, atomic_write, make_folder, write_json
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.inference.detectors.person_detector import WholeImage
from pose_estimation_ros.inference.top_down import TopDown

if TYPE_CHECKING:
    from pose_estimation_ros.evaluation.coco_score import CocoScore
    from pose_estimation_ros.evaluation.run import Run
    from pose_estimation_ros.evaluation.scored_images import Dataset

LOG = logging.getLogger(__name__)

RESULT_FILES = ('coco_output.txt', 'config.yaml', 'results.json', 'detections.json')
PUBLISHED_RESULTS = '{}_results.json'
"""Name of pytorch-human-pose for the detections in a folder of images; they are written under both."""
REPORT_FILE = 'report.html'
OF_A_MODEL = ('weights', 'flip', 'scales', 'boxes', *DETECTOR_OPTIONS, 'skip_unreadable')


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        '--dataset', type=Path, required=True, metavar='DIR', help='Folder of a dataset in COCO layout, or of MPII.'
    )
    parser.add_argument('--images-folder', default='val2017', metavar='NAME', help='Folder of images in DIR.')
    parser.add_argument(
        '--annotations', default='person_keypoints_val2017.json', metavar='NAME',
        help='COCO keypoint annotations, a file in DIR or in DIR/annotations.',
    )  # fmt: skip
    parser.add_argument(
        '--detections', type=Path | None, metavar='FILE', help='Score these detections in COCO format; runs no model.'
    )
    parser.add_argument('--output', type=Path | None, metavar='DIR', help=f'Folder for {", ".join(RESULT_FILES)}.')
    add_flag(parser, '--report', f'Also write {REPORT_FILE}: curves, keypoints, the worst images.')
    parser.add_argument(
        '--json', type=Path | None, nargs='?', const=STDOUT, metavar='FILE',
        help='JSON file of the numbers; without FILE, or with -, prints them to standard output.',
    )  # fmt: skip
    parser.add_argument('--limit', type=PositiveInt | None, help='Use only the first N images.')
    parser.add_argument(
        '--subset', type=PositiveInt | None, help='Use N images, selected as for the published validation (250).'
    )
    add_boxes(parser, 'ground_truth, a file of boxes or of poses as COCO results (detections.json of another method), ')
    add_looks(parser)
    add_flag(
        parser,
        '--score-detected-only',
        'Score only images in which somebody is found, as pytorch-human-pose does; its numbers are higher for that.',
    )
    parser.add_argument(
        '--batch-size', type=PositiveInt, default=1, help='Images per forward pass; more is faster on GPUs.'
    )
    parser.add_argument(
        '--head-boxes', type=Path | None, metavar='FILE',
        help='Compute PCKh on MPII with its gt_valid.mat; --annotations is then valid.json.',
    )  # fmt: skip
    add_flag(parser, '--skip-unreadable', 'Skip images that cannot be read, and score without them.')
    add_model_options(parser, scoring=True)


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The result of an evaluation."""

    score: 'CocoScore'
    run: 'Run'
    settings: dict[str, Any]

    def results(self) -> dict[str, Any]:
        """Return the numbers for JSON; null without people."""
        milliseconds = self.run.ms_per_image
        return {
            **self.score.as_json(),
            'images': len(self.run.image_ids),
            'detections': len(self.run.detections),
            'ms_per_image': None if math.isnan(milliseconds) else milliseconds,
        }

    def text(self) -> str:
        """Return the tables as text."""
        found = self.run
        lines = [
            self.score.table(),
            f' {counted(len(found.image_ids), "image")}, {counted(len(found.detections), "detection")}',
        ]
        if math.isnan(self.score.AP):
            lines.append(' no people are annotated in these images: nothing to score')
        if found.unreadable:
            lines.append(f' {counted(len(found.unreadable), "unreadable image")} skipped')
        if found.timings:
            lines.append(found.timing_table())
        return '\n'.join(lines)


def run(settings: Namespace) -> int:
    """Score a model or a file of detections, print and write."""
    score = run_pckh if settings.head_boxes else _run
    with json_results(settings.json) as write_results:
        score(settings, write_results)
    return 0


def _run(settings: Namespace, write_results: Write) -> None:
    """Run the model over the dataset, or read detections; score by COCO's numbers."""
    from pose_estimation_ros.evaluation.coco_score import coco_score
    from pose_estimation_ros.evaluation.ground_truth import require_pycocotools
    from pose_estimation_ros.evaluation.report_plots import require_matplotlib
    from pose_estimation_ros.evaluation.scored_images import Dataset

    require_pycocotools()  # fails now, not after minutes
    if settings.report:
        if not settings.output:
            raise SettingsError('--report needs --output DIR, a folder to write the page to')
        require_matplotlib()
    dataset = Dataset.open(settings.dataset, settings.annotations)
    image_ids = dataset.image_ids(settings.limit, settings.subset)
    found, used = _read(settings, image_ids) if settings.detections else _infer(settings, dataset, image_ids)
    if settings.score_detected_only:
        detected = {each['image_id'] for each in found.detections}
        if not detected:
            raise SettingsError(
                f'--score-detected-only: nobody was found on {len(found.image_ids)} images; leave it out'
            )
        found = replace(found, image_ids=[each for each in found.image_ids if each in detected])
    score = coco_score(dataset.truth, found.detections, found.image_ids)
    outcome = EvaluationResult(score, found, {'annotations_file': str(dataset.path), **used})
    say(outcome.text())
    write_results(outcome.results())
    if settings.output:
        _write_folder(outcome, settings, dataset)


def _read(settings: Namespace, image_ids: list[int]) -> tuple['Run', dict[str, Any]]:
    """Return the detections of a file as a run without timings, and the settings used."""
    from pose_estimation_ros.evaluation.detections import read_detections
    from pose_estimation_ros.evaluation.run import Run

    idle = [f'--{name.replace("_", "-")}' for name in OF_A_MODEL if settings[name]]
    if idle:
        raise SettingsError(f'{", ".join(idle)}: with --detections no model is run; leave it out')
    every = read_detections(settings.detections)
    chosen = set(image_ids)
    detections = every
    if settings.limit or settings.subset:
        detections = [each for each in every if each['image_id'] in chosen]
    if every and not detections:
        LOG.warning('all %d detections of %s are of other images than these', len(every), settings.detections)
    used = {each: settings[each] for each in ('limit', 'subset', 'score_detected_only')}
    used['detections'] = str(settings.detections)
    return Run(detections, [], image_ids, []), used


def _infer(settings: Namespace, dataset: 'Dataset', image_ids: list[int]) -> tuple['Run', dict[str, Any]]:
    """Return the model's run over the images, and the settings used."""
    from pose_estimation_ros.data.datasets.layout import find_images
    from pose_estimation_ros.evaluation.run import evaluate_images
    from pose_estimation_ros.evaluation.scored_images import boxes_for

    images = dataset.image_files(find_images(settings.dataset, settings.images_folder, '--images-folder'), image_ids)
    scales = parse_scales(settings.scales)
    if settings.output:
        make_folder(settings.output)  # fails now, not after minutes
    learner = make_learner(settings)
    check_boxes(settings, learner)
    if scales and learner.takes_boxes:
        raise SettingsError('--scales is for methods that take whole images; crops have one size')
    plain, boxes = learner.scoring_pipeline(), None
    pipeline = plain.with_looks(scales or (1.0,), settings.flip)
    if isinstance(pipeline, TopDown):
        source = settings.boxes or ('detector' if settings.detector else 'whole_image')
        boxes = boxes_for(source, dataset.truth)
        if source == 'whole_image':
            pipeline = pipeline.with_detector(WholeImage())
    found = evaluate_images(
        pipeline.batch, images, settings.batch_size, boxes=boxes, skip_unreadable=settings.skip_unreadable
    )
    backend = plain.backend
    used = {name: value for name, value in settings.as_dict().items() if name not in ('detections', 'verbose')}
    ran = {'backend': backend.name, 'device': backend.device, 'precision': backend.precision}
    return found, {**used, **ran, 'height': plain.base_size, 'stride': plain.stride, 'scales': list(scales) or None}


def _write_folder(outcome: EvaluationResult, settings: Namespace, dataset: 'Dataset') -> None:
    """Write the files of --output and print their names."""
    from pose_estimation_ros.evaluation.detections import write_detections

    folder = make_folder(settings.output)
    # JSON values are valid YAML.
    config = ''.join(f'{name}: {json.dumps(value, default=str)}\n' for name, value in outcome.settings.items())
    for name, text in (('coco_output.txt', outcome.text() + '\n'), ('config.yaml', config)):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text)
    write_json(folder / 'results.json', outcome.results(), indent=1)
    published_name = PUBLISHED_RESULTS.format(Path(settings.images_folder).name)
    for name in ('detections.json', published_name):
        write_detections(folder / name, outcome.run.detections)
    names: tuple[str, ...] = (*RESULT_FILES, published_name)
    if settings.report:
        _write_report(folder / REPORT_FILE, outcome, settings, dataset)
        names = (*names, REPORT_FILE)
    say(f'wrote {", ".join(names)} in {folder}')


def _write_report(path: Path, outcome: EvaluationResult, settings: Namespace, dataset: 'Dataset') -> None:
    from pose_estimation_ros.evaluation.matching import match_images
    from pose_estimation_ros.evaluation.report import Report, write_report

    detections, image_ids = outcome.run.detections, outcome.run.image_ids
    folder = settings.dataset / settings.images_folder
    files = {image['id']: folder / str(image.get('file_name')) for image in dataset.truth['images']}
    subject = settings.detections.name if settings.detections else f'{settings.method}, {weights_of(settings).name}'
    report = Report(
        f'{subject} on {dataset.path.name}',
        outcome.score,
        match_images(dataset.truth, detections, image_ids),
        {key: file for key, file in files.items() if file.is_file()},
        outcome.run.timing_summary(),
        {**outcome.settings, 'images': len(image_ids)},
    )
    write_report(path, report)
