"""The published systems by name. To add one, write its folder and name its row here."""

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.high_resolution.system import SYSTEM as HIGH_RESOLUTION
from pose_estimation_ros.methods.higher_hrnet.system import SYSTEM as HIGHER_HRNET
from pose_estimation_ros.methods.lightweight_openpose.system import SYSTEM as LIGHTWEIGHT_OPENPOSE
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.simple_baseline.system import SYSTEM as SIMPLE_BASELINE
from pose_estimation_ros.methods.system import System

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        LIGHTWEIGHT_OPENPOSE,
        HIGH_RESOLUTION,
        SIMPLE_BASELINE,
        HIGHER_HRNET,
    )
}

DEFAULT_SYSTEM = next(iter(SYSTEMS))


def find_system(name: str) -> System:
    """Return a system by its name; raises SettingsError naming those there are."""
    if name not in SYSTEMS:
        raise SettingsError(f'method must be one of {", ".join(SYSTEMS)}, got {name!r}')
    return SYSTEMS[name]


def find_method(name: str) -> Method:
    """Return a system's method, of any of its skeletons, by the method's name; raises SettingsError."""
    methods = {method.name: method for system in SYSTEMS.values() for method in system.methods}
    if name not in methods:
        raise SettingsError(f'method must be one of {", ".join(methods)}, got {name!r}')
    return methods[name]
