"""Message packages that a robot may have or not."""

import importlib
import os
from types import ModuleType

from pose_estimation_ros.core.errors import SettingsError


def message_types(package: str) -> ModuleType | None:
    """Return the `msg` module of a package, None if it is not installed."""
    try:
        return importlib.import_module(f'{package}.msg')
    except ImportError:
        return None


def required_types(package: str, purpose: str = '') -> ModuleType:
    """Return the `msg` module of a package; raises SettingsError, with the cure, if it is not installed."""
    types = message_types(package)
    if types is None:
        distribution = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
        install = f'sudo apt install ros-{distribution}-{package.replace("_", "-")}'
        raise SettingsError(f'{purpose}{package} is not installed; {install}')
    return types
