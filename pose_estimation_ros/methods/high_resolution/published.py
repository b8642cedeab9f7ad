"""The test images that OpenDR publishes for high-resolution pose estimation; its model is Lightweight OpenPose's."""

from pathlib import Path

from pose_estimation_ros.fetching.download import RemoteFile, fetch_all
from pose_estimation_ros.methods.lightweight_openpose.published import OPENDR_URL

HIGH_RESOLUTION_URL = OPENDR_URL.replace('lightweight_open_pose', 'high_resolution_pose_estimation')
IMAGE_ROWS = (1080, 1440)
"""Heights in which the test image is published."""


def fetch_test_image(rows: int, folder: Path, url: str, verbose: bool) -> list[Path]:
    """Fetch the annotated image of a height, or of 1080 rows, into `folder` and return where the files are."""
    size = rows if rows in IMAGE_ROWS else IMAGE_ROWS[0]
    names = ('dataset/annotation.json', f'dataset/image/000000000785_{size}.jpg')
    files = [RemoteFile(name, name) for name in names]
    return fetch_all(url, files, folder, verbose=verbose)
