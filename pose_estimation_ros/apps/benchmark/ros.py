"""`benchmark --ros`: the overhead of the node over its pipeline."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.apps.benchmark.output import Row, format_rows, publish
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import node_parameters, not_for_the_node, weights_of
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import STDOUT
from pose_estimation_ros.methods.systems import find_system

NOT_MEASURED: dict[str, Any] = {'all': False, 'also': [], 'video': None, 'top_down': None}
"""Options that do not apply to the node, with their defaults."""
TIMES = {
    'age_p50_ms': 'age p50',
    'age_p95_ms': 'p95',
    **{f'{name}_ms': name for name in ('publish', 'transport', 'queue', 'wait', 'convert')},
    'total_ms': 'pipeline',
    **{f'{name}_ms': name for name in ('track', 'send', 'back', 'bare', 'own', 'overhead')},
    'load': 'load',
}
COLUMNS = {
    'source': ('source', '{}'),
    'sent': ('sent', '{:d}'),
    'processed': ('done', '{:d}'),
    'dropped': ('dropped', '{:d}'),
    'lost': ('lost', '{:d}'),
    **{name: (heading, '{:.2f}') for name, heading in TIMES.items()},
}
NOTE = """\
done: images processed of those sent; dropped (newer ones arrived while the node was busy) and lost (by the middleware)
include the warm-up of 15 images; median milliseconds of an image: the camera's publish(), transport to the node's
callback, queue behind another image, wait for the worker thread, conversion, pipeline, tracking, sending messages, and
back to a listener; bare: the pipeline without ROS; own: from callback to sent without queue and pipeline; overhead:
from callback to sent without queue and bare, which includes the slowdown of the pipeline by camera, listener and
middleware, and is below 0 if noise is larger; load: of the machine; -: nothing arrived"""


def run_over_ros(settings: Namespace, write_results: Write) -> None:
    """Measure in separate processes, print and write the table."""
    _check(settings)
    rows = [_as_row(settings, measured) for measured in _measure(settings, node_parameters(settings))]
    head, *body = format_rows(rows, COLUMNS)
    publish(settings, write_results, '\n'.join([head, '-' * len(head), *body, NOTE]), rows, ('node.txt', 'node.json'))


def _check(settings: Namespace) -> None:
    """Raise SettingsError if nothing can be measured."""
    if importlib.util.find_spec('rclpy') is None:
        raise SettingsError('--ros needs rclpy, which is not installed: source a ROS 2 installation, or run `make env`')
    refused = not_for_the_node(settings)
    refused += [f'--{name.replace("_", "-")}' for name, usual in NOT_MEASURED.items() if settings[name] != usual]
    if settings.people and len(settings.people) > 1:
        crowds = ' '.join(map(str, settings.people))
        raise SettingsError(f'--ros takes one number of people, got --people {crowds}; give only one')
    if refused:
        raise SettingsError(f'--ros runs the node, which does not take {", ".join(refused)}')


def _measure(settings: Namespace, parameters: dict[str, Any]) -> list[Row]:
    """Return the rows of the measuring program, which prints its errors to this terminal."""
    with tempfile.TemporaryDirectory() as name:
        rows = Path(name) / 'rows.json'
        command = [sys.executable, '-m', 'pose_estimation_ros.ros.trials.overhead']
        command += ['--parameters', json.dumps(parameters), '--frames', str(settings.frames)]
        command += ['--people', str((settings.people or [1])[0]), '--json', str(rows)]
        stdout = sys.stderr.fileno() if settings.json == STDOUT else None
        code = subprocess.run(command, check=False, stdout=stdout).returncode
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise SettingsError('the node could not be measured; see its output above')
        measured: list[Row] = json.loads(rows.read_text())
    return measured


def _as_row(settings: Namespace, measured: Row) -> Row:
    """Return a row in the format of the benchmark, with the columns of the node."""
    profile = '' if measured['profile'] else ', default middleware'
    return {
        'method': settings.method,
        'weights': weights_of(settings).name,
        'backend': settings.backend,
        'precision': settings.precision,
        'decode': settings.decode or find_system(settings.method).method.decoder_names()[0],
        'source': f'node {measured["width"]}x{measured["height"]}{profile}',
        **measured,
    }
