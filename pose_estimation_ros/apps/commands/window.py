"""A window that shows images."""

import os
import sys
from typing import Any

import cv2

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import SettingsError

TITLE = 'pose_estimation'
QUIT_KEYS = (27, ord('q'))


class Window:
    """Shows images; q or Esc quits, p pauses and resumes."""

    def __enter__(self) -> 'Window':
        # OpenCV's Qt aborts the process without a display.
        if sys.platform == 'linux' and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
            raise SettingsError('--show needs a display, and there is none; use --output DIR instead')
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise SettingsError('--show needs an OpenCV with windows (opencv-python, not -headless)') from error
        return self

    def show(self, image: ByteArray) -> bool:
        """Show an image; return False if the user quits."""
        cv2.imshow(TITLE, image)
        key = cv2.waitKey(1) & 0xFF
        while key == ord('p'):
            key = cv2.waitKey(0) & 0xFF
            if key == ord('p'):
                break
        return key not in QUIT_KEYS

    def __exit__(self, *error: Any) -> None:
        cv2.destroyAllWindows()
