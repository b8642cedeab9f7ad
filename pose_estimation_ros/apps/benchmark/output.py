"""Output of all benchmarks: the table, results for programs, files, and the machine that was measured."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.inference.backends.backend import BACKENDS
from pose_estimation_ros.inference.backends.opening import installed


def publish(
    settings: Namespace, write_results: Write, table: str, rows: list[dict[str, Any]], names: tuple[str, str]
) -> None:
    """Print a table, write the rows for programs, and both to files of these names in --output."""
    say(table)
    report = {'machine': machine(), 'rows': rows}
    write_results(report)
    if settings.output:
        folder = make_folder(settings.output)
        with atomic_write(folder / names[0]) as temporary:
            temporary.write_text(table + '\n')
        write_json(folder / names[1], report, indent=1)
        say(f'wrote {" and ".join(names)} in {folder}')


def machine() -> dict[str, Any]:
    """Return processor, system and versions of the backends."""
    return {
        'processor': _processor(),
        'cores': os.cpu_count(),
        'system': platform.platform(),
        'python': platform.python_version(),
        'packages': {name: version(name) for name in BACKENDS if installed(name)},
    }


def _processor() -> str:
    listing = Path('/proc/cpuinfo')
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()
