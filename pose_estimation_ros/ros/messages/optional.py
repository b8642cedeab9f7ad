"""Message packages that a robot may have or not."""

import importlib
import os
from types import ModuleType


def message_types(package: str) -> ModuleType | None:
    """Return the `msg` module of a package, None if it is not installed."""
    try:
        return importlib.import_module(f'{package}.msg')
    except ImportError:
        return None


def how_to_install(package: str) -> str:
    """Return what to tell a user who needs a package that is not there."""
    distribution = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
    return f'{package} is not installed; sudo apt install ros-{distribution}-{package.replace("_", "-")}'
