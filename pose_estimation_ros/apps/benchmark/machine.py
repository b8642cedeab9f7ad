"""What numbers were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pose_estimation_ros.inference.backends.backend import BACKENDS
from pose_estimation_ros.inference.backends.opening import installed


def machine() -> dict[str, Any]:
    """Return processor, system and the versions of what runs networks."""
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
