"""Output of all benchmarks: the table, results for programs, files, and the machine that was measured."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.apps.options.json_option import Write
from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.core.tables import table_lines
from pose_estimation_ros.inference.backends.backend import BACKENDS
from pose_estimation_ros.inference.backends.opening import installed

Row = Mapping[str, Any]
Columns = Mapping[str, tuple[str, str]]
"""Heading and format by the key of a row; what has a format of its own is aligned to the right."""


def format_rows(rows: Sequence[Row], columns: Columns) -> list[str]:
    """Return a line of headings and one for each row; what was not measured is -."""
    headings = [heading for heading, _ in columns.values()]
    cells = [['-' if row[key] is None else form.format(row[key]) for key, (_, form) in columns.items()] for row in rows]
    right = {index for index, (_, form) in enumerate(columns.values()) if form != '{}'}
    return table_lines([headings, *cells], right)


def publish(settings: Namespace, write_results: Write, table: str, rows: Sequence[Row], names: tuple[str, str]) -> None:
    """Print a table, write the rows for programs, and both to files of these names in --output."""
    say(table)
    report = {'machine': machine(), 'rows': list(rows)}
    write_results(report)
    if settings.output:
        folder = make_folder(settings.output)
        with atomic_write(folder / names[0]) as temporary:
            temporary.write_text(table + '\n')
        write_json(folder / names[1], report, indent=1)
        say(f'wrote {" and ".join(names)} in {folder}')


def machine() -> dict[str, Any]:
    """Return processor, system and versions of the backends."""
    listing = Path('/proc/cpuinfo')
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return {
        'processor': names[0] if names else platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'system': platform.platform(),
        'python': platform.python_version(),
        'packages': {name: version(name) for name in BACKENDS if installed(name)},
    }
