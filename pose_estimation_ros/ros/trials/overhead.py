"""What the node costs beside its pipeline, measured on real processes: `benchmark --ros` runs this as a program.

For each size of image, with the Fast DDS profile of config/ and without: the pipeline alone, then camera, node and
listener as processes in a domain of their own, then the pipeline alone again, all at one pace on the same images.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pose_estimation_ros.core.errors import PoseEstimationError, SourceError
from pose_estimation_ros.core.files import write_json
from pose_estimation_ros.ros.nodes import middleware
from pose_estimation_ros.ros.nodes.dropping import DropReason
from pose_estimation_ros.ros.trials.overhead_parts import WARM_UP, Plan

SIZES = ((640, 480), (1280, 720), (1920, 1080))
PATIENCE_S = 60.0
MEDIANS = (
    *('queue_ms', 'wait_ms', 'convert_ms', 'track_ms'),
    *('preprocess_ms', 'forward_ms', 'decode_ms', 'total_ms', 'people'),
)
PARTS = 'pose_estimation_ros.ros.trials.overhead_parts'

Row = Mapping[str, Any]


def measure(plan: Plan, with_profile: bool) -> Row:
    """Run the processes of one row."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        stage = _Stage(Path(name), plan, with_profile)
        half = stage.play('bare')
        with stage.playing('node') as node, stage.playing('listener') as listener:
            sent = stage.play('camera', node)
            seen, heard = stage.end('node', node), stage.end('listener', listener)
        half += stage.play('bare')[WARM_UP:]
    context = {'width': plan.width, 'height': plan.height, 'profile': with_profile, 'rate': plan.rate}
    return {**context, **joined(half[WARM_UP:], sent, seen, heard), 'load': round(load, 2)}


class _Stage:
    """Runs the processes of a plan."""

    def __init__(self, folder: Path, plan: Plan, with_profile: bool) -> None:
        self._folder, self._plan = folder, plan
        write_json(folder / 'plan.json', asdict(plan))
        context = middleware.environment_with_profile() if with_profile else middleware.environment_without_profile()
        self._environment = {**context, **middleware.own_domain()}

    @contextlib.contextmanager
    def playing(self, part: str) -> Iterator['subprocess.Popen[bytes]']:
        command = [sys.executable, '-m', PARTS, part, str(self._folder / 'plan.json'), str(self._out(part))]
        process = subprocess.Popen(command, env=self._environment)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def play(self, part: str, needed: 'subprocess.Popen[bytes] | None' = None) -> Any:
        """Run a part to its end, as long as the process lives that it needs."""
        patience = PATIENCE_S + 3 * (WARM_UP + self._plan.frames) / self._plan.rate
        with self.playing(part) as process:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
                    return self._result(part, process)
                patience -= 0.2
                if patience < 0 or (needed is not None and needed.poll() is not None):
                    raise SourceError(f'the {part} of the measurement did not come to an end')

    def end(self, part: str, process: 'subprocess.Popen[bytes]') -> Any:
        """End a part as Ctrl-C does, and return what it noted."""
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise SourceError(f'the {part} of the measurement did not end') from error
        return self._result(part, process)

    def _result(self, part: str, process: 'subprocess.Popen[bytes]') -> Any:
        if process.returncode or not self._out(part).exists():
            raise SourceError(f'the {part} of the measurement has failed; see its output above')
        return json.loads(self._out(part).read_text())

    def _out(self, part: str) -> Path:
        return self._folder / f'{part}.json'


def joined(bare: Sequence[float], sent: Sequence[Row], seen: Mapping[str, Any], heard: Sequence[Row]) -> Row:
    """Join what the parts noted, by stamp; medians in milliseconds, None if no image arrived.

    `age` is from the stamp, set right before publish(), until the listener has the skeletons. `publish` is the camera's
    call of publish(), `transport` from there to the node's callback, `queue` behind the image before (0 where the
    pipeline keeps pace), `wait` until the worker's thread has the image, `send` to build and publish messages, `back`
    from there to the listener. `bare` is the pipeline alone, `total` the pipeline in the node, which shares the CPUs
    with camera, listener and middleware. `own` is from the callback until all is published without queue and pipeline;
    `overhead` without queue and `bare`: what the node costs in the end. Drops and losses include the warm-up.
    """
    measured = sent[WARM_UP:]
    images = {row['stamp']: row for row in measured}
    rows = [row for row in seen['rows'] if row['stamp'] in images]
    published = {row['stamp']: row['published'] for row in rows}
    ages = [1e3 * (row['at'] - images[row['stamp']]['at']) for row in heard if row['stamp'] in images]
    back = [1e3 * (row['at'] - published[row['stamp']]) for row in heard if row['stamp'] in published]
    whole = _percentile([1e3 * (row['published'] - max(row['received'], row['free'])) for row in rows])
    transport = [
        1e3 * (row['received'] - camera['at']) - camera['publish_ms']
        for row, camera in ((row, images[row['stamp']]) for row in rows)
    ]
    bare_ms = round(float(np.median(bare)), 3)
    return {
        'sent': len(measured),
        'processed': len(rows),
        'dropped': seen['counts'].get(DropReason.BUSY.value, 0),
        'lost': len(sent) - seen['counts'].get('received', 0),
        'age_p50_ms': _percentile(ages),
        'age_p95_ms': _percentile(ages, 95),
        'publish_ms': _percentile([row['publish_ms'] for row in measured]),
        'transport_ms': _percentile(transport),
        **{name: _percentile([row[name] for row in rows]) for name in MEDIANS},
        'send_ms': _percentile([row['publish_ms'] for row in rows]),
        'back_ms': _percentile(back),
        'bare_ms': bare_ms,
        'total_p95_ms': _percentile([row['total_ms'] for row in rows], 95),
        'own_ms': _percentile([row['overhead_ms'] for row in rows]),
        'overhead_ms': None if whole is None else round(whole - bare_ms, 3),
    }


def _percentile(values: Sequence[float], percent: float = 50) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if values else None


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    return int(width), int(height)


def main(args: Sequence[str] | None = None) -> int:
    """Measure, and write the rows as JSON."""
    parser = argparse.ArgumentParser(prog='overhead', description='What the node costs beside its pipeline.')
    parser.add_argument('--parameters', type=json.loads, required=True, help="the node's parameters, as JSON")
    parser.add_argument('--frames', type=int, default=150, help='frames per row')
    parser.add_argument('--rate', type=float, default=30.0, help='frames per second')
    parser.add_argument('--people', type=int, default=4, help='people per image')
    parser.add_argument('--sizes', nargs='+', default=SIZES, type=_size, metavar='WxH', help='image sizes')
    parser.add_argument('--json', type=Path, required=True, help='file for the rows')
    arguments = parser.parse_args(args)
    rows = [(size, with_profile) for size in arguments.sizes for with_profile in (True, False)]
    measured = []
    try:
        for (width, height), with_profile in tqdm(rows, desc='node', unit='row', leave=False):
            plan = Plan(arguments.parameters, width, height, arguments.frames, arguments.rate, arguments.people)
            measured.append(measure(plan, with_profile))
    except PoseEstimationError as error:
        print(f'overhead: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    write_json(arguments.json, measured)
    return 0


if __name__ == '__main__':
    sys.exit(main())
