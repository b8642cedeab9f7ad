"""`evaluate --head-boxes`: PCKh on MPII."""

from jsonargparse import Namespace

from pose_estimation_ros.apps.options.boxes_option import DETECTOR_OPTIONS
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import make_learner
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.datasets.layout import find_annotations, find_images

ANNOTATIONS = 'annot'
"""The folder of MPII's annotation files, beside that of the images."""


def run_pckh(settings: Namespace, write_results: Write) -> None:
    """Score a top-down model on MPII's persons, print and write."""
    from pose_estimation_ros.evaluation.pckh import MpiiPeople, evaluate_mpii, require_mpii

    _check(settings)
    folder = settings.dataset
    annotations = find_annotations(folder, settings.annotations, '--annotations', beside=ANNOTATIONS)
    images = find_images(folder, settings.images_folder, '--images-folder')
    mpii = MpiiPeople.open(images, annotations, settings.head_boxes, settings.limit or 0)
    learner = make_learner(settings)
    require_mpii(learner.method)
    pipeline = learner.scoring_pipeline()
    score = evaluate_mpii(pipeline.with_looks(flip=settings.flip), mpii)
    text = '\n'.join(f' {name:<16}{value:8.2f}' for name, value in score.items()) + f'\n {counted(len(mpii), "person")}'
    results = {**score, 'persons': len(mpii)}
    say(text)
    write_results(results)
    if settings.output:
        write_json(make_folder(settings.output) / 'results.json', results, indent=1)


def _check(settings: Namespace) -> None:
    """Raise SettingsError for options that do not apply."""
    names = ('detections', 'scales', 'subset', 'report', 'boxes', *DETECTOR_OPTIONS, 'skip_unreadable')
    odd = [name for name in names if settings[name]] + ['batch_size'] * (settings.batch_size > 1)
    if odd:
        option = odd[0].replace('_', '-')
        raise SettingsError(
            f'--head-boxes (PCKh) and --{option} do not go together: each person is estimated separately, in an'
            ' annotated box'
        )
