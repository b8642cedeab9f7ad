"""The parameters of `camera_node`. Imports nothing of ROS."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import setting, settings_of
from pose_estimation_ros.ros.parameters.node_settings import check_values

ANY = (0, math.inf)


@dataclass(frozen=True)
class CameraSettings:
    """The values of all parameters."""

    source: str = setting(
        'synthetic', 'Video, folder of images, camera (0, /dev/video0), stream, or synthetic for drawn people.'
    )
    rate: float = setting(0.0, "Frames per second; 0 for the source's own rate.", range=ANY)
    loop: bool = setting(True, 'Start again at the end of the source.', live=True)
    image_transport: str = setting(
        'raw', 'Publish `image` (raw) or `image/compressed` (compressed).', choices=('raw', 'compressed')
    )
    reliable: bool = setting(False, 'Publish reliably instead of best effort.')
    frame_id: str = setting('camera', 'Frame of the headers.', live=True)
    wait_for_subscriber: bool = setting(False, 'Start when somebody subscribes to the images.')
    jpeg_quality: int = setting(90, 'JPEG quality of compressed images.', range=(1, 100), live=True)
    people: int = setting(4, 'Number of synthetic people.', range=(0, 100))
    seed: int = setting(4, 'Random seed of the synthetic people.', range=ANY)
    width: int = setting(1280, 'Width in pixels of the images of synthetic people.', range=(32, 8192))
    height: int = setting(720, 'Height in pixels of the images of synthetic people.', range=(32, 8192))
    frames: int = setting(90, 'Number of different images of synthetic people.', range=(1, math.inf))
    max_images: int = setting(0, 'Number of images after which the node ends; 0 for no limit.', range=ANY, live=True)

    def values(self) -> dict[str, Any]:
        """Return the values by parameter."""
        return asdict(self)


CAMERA_PARAMETERS = {each.name: each for each in settings_of(CameraSettings)}


def camera_settings(values: Mapping[str, Any]) -> CameraSettings:
    """Check values by parameter; a number where a text belongs is that text, as in `source:=0`.

    Raises SettingsError that lists every wrong value.
    """
    typed = {
        name: str(value) if CAMERA_PARAMETERS[name].kind is str and type(value) is int else value
        for name, value in values.items()
    }
    checked, faults = check_values(CAMERA_PARAMETERS, typed)
    if faults:
        raise SettingsError('; '.join(faults))
    return CameraSettings(**checked)


def changed_camera(settings: CameraSettings, values: Mapping[str, Any]) -> CameraSettings:
    """Return the settings with some values changed; raises SettingsError for wrong ones and for what is not live."""
    after = camera_settings({**settings.values(), **values})
    fixed = [name for name, each in CAMERA_PARAMETERS.items() if not each.live]
    if different := [name for name in fixed if getattr(after, name) != getattr(settings, name)]:
        raise SettingsError(f'{", ".join(different)} cannot change while the node runs; start it again')
    return after
