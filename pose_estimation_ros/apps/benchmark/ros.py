"""`benchmark --ros`: the overhead of the node over its pipeline."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.apps.benchmark.output import publish
from pose_estimation_ros.apps.benchmark.report import format_node_table
from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.model_options import node_parameters, not_for_the_node, weights_of
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import STDOUT, make_folder
from pose_estimation_ros.methods.systems import find_system

NOT_MEASURED: dict[str, Any] = {'all': False, 'also': [], 'video': None, 'top_down': None}
"""Options that do not apply to the node, with their defaults."""


def run_over_ros(settings: Namespace, write_results: Write) -> None:
    """Measure in separate processes, print and write the table."""
    _check(settings)
    parameters = node_parameters(settings)
    if settings.output:
        make_folder(settings.output)  # fails now, not after minutes
    rows = [_as_row(settings, measured) for measured in _measure(settings, parameters)]
    publish(settings, write_results, format_node_table(rows), rows, ('node.txt', 'node.json'))


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


def _measure(settings: Namespace, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the measuring program, which prints its errors to this terminal."""
    with tempfile.TemporaryDirectory() as name:
        rows = Path(name) / 'rows.json'
        command = [
            sys.executable,
            '-m',
            'pose_estimation_ros.ros.trials.overhead',
            '--parameters',
            json.dumps(parameters),
        ]
        command += ['--frames', str(settings.frames), '--people', str((settings.people or [1])[0]), '--json', str(rows)]
        stdout = sys.stderr.fileno() if settings.json == STDOUT else None
        code = subprocess.run(command, check=False, stdout=stdout).returncode
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise SettingsError('the node could not be measured; see its output above')
        measured: list[dict[str, Any]] = json.loads(rows.read_text())
    return measured


def _as_row(settings: Namespace, measured: dict[str, Any]) -> dict[str, Any]:
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
