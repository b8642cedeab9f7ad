"""`infer`: finds people in images, folders, videos or a camera; writes images, videos and JSON."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from pose_estimation_ros.apps.commands.annotated import AnnotatedOutput, files_read
from pose_estimation_ros.apps.commands.plot_output import PlotOutput
from pose_estimation_ros.apps.commands.window import Window
from pose_estimation_ros.apps.options.boxes_option import BoxesOfFrame, add_boxes, boxes_of_frames, check_boxes
from pose_estimation_ros.apps.options.json_option import add_json_option, stdout_for_json
from pose_estimation_ros.apps.options.looks_option import add_looks, parse_scales
from pose_estimation_ros.apps.options.model_options import add_model_options, add_tracker_option, make_learner
from pose_estimation_ros.apps.options.parser import add_flag, say
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.errors import OutputError, SettingsError
from pose_estimation_ros.core.files import STDOUT
from pose_estimation_ros.core.interrupt import ending_on_interrupt
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.pose_json import written_poses
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.data.sources import Frame, Source
from pose_estimation_ros.data.tally import Tally
from pose_estimation_ros.inference.pipeline import ExplainingPipeline, ModelPipeline

if TYPE_CHECKING:
    from pose_estimation_ros.learners.learner import Learner


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'sources', nargs='+', metavar='SOURCE',
        help='Images, folders of images, videos, streams (rtsp://...) or cameras (0, /dev/video0).',
    )  # fmt: skip
    parser.add_argument('--output', type=Path | None, metavar='DIR', help='Folder for annotated images and videos.')
    add_flag(
        parser,
        '--plots',
        'Also write connections, heatmaps and associative embeddings, to a folder per source in --output.',
    )
    add_json_option(parser, 'the poses')
    add_flag(parser, '--show', 'Show the annotated images in a window; q or Esc quits, p pauses.')
    parser.add_argument(
        '--track', type=Literal['auto', 'on', 'off'], default='auto',
        help='Track people from frame to frame; auto: in videos and cameras, not between single images.',
    )  # fmt: skip
    add_flag(parser, '--no-smooth', 'Do not smooth tracked keypoints.')
    add_flag(parser, '--draw-boxes', 'Draw boxes around tracked people.')
    add_boxes(parser, 'the poses in a JSON file that `infer` wrote with another method, ')
    add_looks(parser)
    parser.add_argument('--limit', type=PositiveInt | None, help='Use only the first N frames of each source.')
    add_tracker_option(parser)
    add_model_options(parser)


def run(settings: Namespace) -> int:
    """Find the people in every source."""
    sources = open_sources(settings.sources)
    if settings.json and settings.json.resolve() in files_read(sources):
        raise OutputError(f'{settings.json} is itself a source and would be overwritten; choose another --json file')
    with stdout_for_json(settings.json) as stdout:
        _infer(settings, sources, stdout)
    return 0


def _infer(settings: Namespace, sources: list[Source], stdout: TextIO | None) -> None:
    """Find the people, write what is requested and print a summary; JSON goes to `stdout` if it is given."""
    learner = make_learner(settings)
    check_boxes(settings, learner)
    if settings.flip or settings.scales:
        learner.look(parse_scales(settings.scales) or (1.0,), settings.flip)
    known = boxes_of_frames(settings.boxes)
    explaining = _explaining(settings, learner.pipeline())  # fails before anything is written
    with contextlib.ExitStack() as stack:
        poses_file = None
        if settings.json:
            poses_file = stack.enter_context(written_poses(settings.json, learner.method.skeleton, stdout))
        output = stack.enter_context(AnnotatedOutput(settings.output, sources)) if settings.output else None
        plots = stack.enter_context(PlotOutput(settings.output, sources, explaining)) if explaining else None
        window = stack.enter_context(Window()) if settings.show else None
        is_shown = True
        for source in sources:
            tally = Tally()
            for frame, poses in _poses_of(source, learner, settings, known):
                tally.add(poses)
                if poses_file:
                    poses_file.add(frame.source, frame.index, frame.stamp, frame.image.shape[:2], poses)
                if plots:
                    plots.add(source, frame)
                if output or window:
                    annotated = draw_poses(frame.image, poses, boxes=settings.draw_boxes)
                    if output:
                        output.add(source, frame, annotated)
                    if window and not (is_shown := window.show(annotated)):
                        break
            if output:
                output.finish_source()
            if plots:
                plots.finish_source()
            counts = str(tally) if tally.ids else str(tally).removesuffix(', 0 tracks')
            skipped = f', {count} unreadable and skipped' if (count := getattr(source, 'skipped', 0)) else ''
            say(f'{source.name}: {counts}, {tally.rate():.1f} frames/s{skipped}')
            if not is_shown:
                break
    file = settings.json if settings.json != STDOUT else None
    written = [*(output.paths if output else ()), *(plots.paths if plots else ()), *([file] if file else ())]
    for path in written:
        say(f'wrote {path}')
    if not (output or settings.json or settings.show):
        say('(no output requested: use --output DIR, --json FILE or --show)')


def _explaining(settings: Namespace, pipeline: ModelPipeline) -> ExplainingPipeline | None:
    """Return the pipeline if it is to make plots; raises SettingsError if it cannot."""
    if not settings.plots:
        return None
    if not settings.output:
        raise SettingsError('--plots needs --output DIR, a folder to write them to')
    if not isinstance(pipeline, ExplainingPipeline) or not pipeline.explains:
        raise SettingsError(
            f'{settings.method} does not explain its poses: leave out --plots, or choose a bottom-up method with tags'
        )
    return pipeline


def _poses_of(
    source: Source, learner: 'Learner', settings: Namespace, known: BoxesOfFrame | None
) -> Iterator[tuple[Frame, list[Pose]]]:
    """Yield every frame with its poses, under a progress bar. Ctrl-C ends a camera."""
    track = settings.track == 'on' or (settings.track == 'auto' and source.kind != 'image')
    learner.reset()
    total = min(source.total or settings.limit, settings.limit) if settings.limit else source.total
    bar = tqdm(total=total, desc=Path(source.name).name, unit='frame', leave=False)
    with contextlib.closing(source), bar, ending_on_interrupt(source.kind == 'camera') as stop:
        for count, frame in enumerate(source.frames(), start=1):
            boxes = None if known is None else known(frame.source, frame.index)
            smooth = not settings.no_smooth
            yield frame, learner.infer(frame.image, track=track, smooth=smooth, stamp=frame.stamp, boxes=boxes)
            bar.update()
            if count == settings.limit or stop.requested:
                return
