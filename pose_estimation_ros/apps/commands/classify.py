"""`classify`: what images show, with probabilities; or the errors of a classifier on a prepared ImageNet."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from pose_estimation_ros.apps.commands.annotated import AnnotatedOutput, files_read
from pose_estimation_ros.apps.options.json_option import Write, add_json_option, json_results
from pose_estimation_ros.apps.options.model_options import BACKEND_NAMES, add_backend_options, given_options
from pose_estimation_ros.apps.options.parser import add_flag, say
from pose_estimation_ros.classification.labels import FILE_NAME, Label, read_labels
from pose_estimation_ros.classification.plot import draw_predictions
from pose_estimation_ros.classification.scores import Prediction
from pose_estimation_ros.core.errors import DatasetError, OutputError, SettingsError
from pose_estimation_ros.core.files import STDOUT
from pose_estimation_ros.data.datasets.class_folders import class_folders
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.data.sources import Source

if TYPE_CHECKING:
    from pose_estimation_ros.learners.image_classifier import ImageClassifier

DATASET = Path('data/ImageNet')
"""Where `prepare imagenet` writes."""
NO_LABELS = 'none'


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument('sources', nargs='*', metavar='IMAGE', help='Images, folders of images or videos.')
    parser.add_argument(
        '--weights', required=True, metavar='PATH',
        help='A saved folder, a published checkpoint (.pth, .pt) or an exported model (.onnx, .xml) of a classifier.',
    )  # fmt: skip
    parser.add_argument(
        '--labels', type=str | None, metavar='FILE',
        help=f'Names of the classes; {NO_LABELS} for numbers [default: what the weights declare, else'
        f' {DATASET / FILE_NAME}].',
    )  # fmt: skip
    parser.add_argument(
        '--dataset', type=Path | None, metavar='DIR', help='Score on this folder, prepared by `prepare imagenet`.'
    )
    parser.add_argument('--split', default='val', metavar='NAME', help='Folder of --dataset with the images.')
    parser.add_argument(
        '--input-size', type=PositiveInt | None, metavar='N',
        help='Size in pixels that the short side of images is resized to [default: what the weights declare, else'
        ' 256].',
    )  # fmt: skip
    parser.add_argument(
        '--crop-size', type=PositiveInt | None, metavar='N',
        help='Side of the square in the middle that is classified [default: the input size].',
    )  # fmt: skip
    parser.add_argument('--top', type=PositiveInt, default=5, metavar='N', help='Number of classes of each image.')
    parser.add_argument('--output', type=Path | None, metavar='DIR', help='Folder for images with their classes.')
    add_json_option(parser, 'the classes or errors')
    add_flag(
        parser, '--trust-weights',
        'Read a .pth that needs more than tensors. It can run arbitrary code: use it only for files you trust.',
    )  # fmt: skip
    add_backend_options(parser)


def run(settings: Namespace) -> int:
    """Classify images or score a classifier."""
    if bool(settings.sources) == bool(settings.dataset):
        raise SettingsError('classify takes either images or --dataset DIR; name one of them')
    with json_results(settings.json) as write:
        if settings.dataset:
            _score(settings, write)
        else:
            _classify(settings, write)
    return 0


def _score(settings: Namespace, write: Write) -> None:
    for name in ('output', 'labels'):
        if settings[name]:
            raise SettingsError(f'--{name} is for images, not for --dataset; leave it out')
    labels = read_labels(settings.dataset / FILE_NAME)
    images = class_folders(settings.dataset / settings.split, [label.wnid for label in labels])
    scores = {'images': len(images), **_opened(settings, labels).eval(images)}
    say(
        f'{len(images)} images: top-1 error {scores["top1_error"]:.2%}, top-5 error {scores["top5_error"]:.2%},'
        f' cross entropy {scores["cross_entropy"]:.4f}'
    )
    write(scores)


def _classify(settings: Namespace, write: Write) -> None:
    sources = open_sources(settings.sources)
    if settings.json and settings.json.resolve() in files_read(sources):
        raise OutputError(f'{settings.json} is itself a source and would be overwritten; choose another --json file')
    labels = None if settings.labels in (None, NO_LABELS) else read_labels(Path(settings.labels))
    classifier = _opened(settings, labels)
    found: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(AnnotatedOutput(settings.output, sources)) if settings.output else None
        for source in sources:
            found += _classify_source(source, classifier, settings.top, output)
            if output:
                output.finish_source()
    write({'images': found})
    file = settings.json if settings.json != STDOUT else None
    for path in (output.paths if output else []) + ([file] if file else []):
        say(f'wrote {path}')


def _classify_source(
    source: Source, classifier: 'ImageClassifier', top: int, output: AnnotatedOutput | None
) -> list[dict[str, Any]]:
    """Classify the frames of a source, print their best classes and return them for JSON."""
    found = []
    bar = tqdm(total=source.total, desc=Path(source.name).name, unit='image', leave=False)
    with contextlib.closing(source), bar:
        for frame in source.frames():
            best = classifier.infer(frame.image, top)
            height, width = frame.image.shape[:2]
            record = {'source': frame.source, 'index': frame.index, 'width': width, 'height': height}
            found.append({**record, 'predictions': [_record(each) for each in best]})
            with tqdm.external_write_mode():
                say(f'{frame.source}: ' + ', '.join(f'{each.label} {each.probability:.3f}' for each in best))
            if output:
                output.add(source, frame, draw_predictions(frame.image, best))
            bar.update()
    return found


def _record(prediction: Prediction) -> dict[str, Any]:
    return {
        'index': prediction.class_index,
        'label': prediction.label,
        'probability': round(prediction.probability, 6),
    }


def _opened(settings: Namespace, labels: Sequence[Label] | None) -> 'ImageClassifier':
    """Return the classifier that the options choose; raises DatasetError if its classes have no names."""
    from pose_estimation_ros.learners.image_classifier import ImageClassifier

    backend = {name: value for name, value in given_options(settings).items() if name in BACKEND_NAMES}
    classifier = ImageClassifier(settings.input_size, settings.crop_size, **{'device': 'auto', **backend})
    classifier.load(settings.weights, trust=settings.trust_weights)
    if labels is None and not classifier.is_named and settings.labels != NO_LABELS:
        labels = read_labels(DATASET / FILE_NAME)
    if labels is not None:
        names = tuple(label.name for label in labels)
        if settings.dataset and classifier.is_named and classifier.labels != names:
            raise DatasetError(
                f'the classes of {settings.dataset / FILE_NAME} are not those of {settings.weights} in their order;'
                ' choose the dataset that the model was trained on'
            )
        classifier.name_classes(names)
    return classifier
