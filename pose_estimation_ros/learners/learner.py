"""What all learners offer."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import AnyArray
from pose_estimation_ros.core.image import Image
from pose_estimation_ros.core.pose import Pose

Picture = Image | AnyArray | str | Path
"""What users may pass as a picture: an Image, an array (OpenCV's BGR order) or the path of a file."""


class Learner(ABC):
    """A pose estimator that can be loaded, run, made faster and saved."""

    @abstractmethod
    def infer(self, img: Picture, *args: Any, **kwargs: Any) -> list[Pose]:
        """Return the people in a picture, [] when there are none."""

    @abstractmethod
    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model to the folder `path`."""

    @abstractmethod
    def load(self, path: str | Path, verbose: bool = False) -> None:
        """Read a model from a folder or file."""

    @abstractmethod
    def optimize(self, *args: Any, **kwargs: Any) -> None:
        """Make inference faster."""

    @abstractmethod
    def reset(self) -> None:
        """Forget what earlier pictures showed."""
