"""What all learners offer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import AnyArray
from pose_estimation_ros.core.image import Image
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import ModelPipeline, Result
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.tracking.tracker import Tracker

Picture = Image | AnyArray | str | Path
"""What users may pass as a picture: an Image, an array (OpenCV's BGR order) or the path of a file."""


class Learner(ABC):
    """A pose estimator that can be trained, evaluated, loaded, run, made faster and saved.

    The first group is the published API. Command line and node use the second as well.
    """

    tracker: Tracker
    """Owner of ids and smoothing."""
    temp_path: Path

    @property
    @abstractmethod
    def method(self) -> Method:
        """The published system, in the skeleton of the model that is loaded."""

    @abstractmethod
    def fit(self, dataset: Any, val_dataset: Any = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Train on a dataset and return how losses and accuracy went."""

    @abstractmethod
    def eval(self, dataset: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return average precision and recall on a dataset."""

    @abstractmethod
    def infer(self, img: Picture, *args: Any, **kwargs: Any) -> list[Pose]:
        """Return the people in a picture, [] when there are none."""

    @abstractmethod
    def save(self, path: str | Path, verbose: bool = False) -> None:
        """Write the model to the folder `path`."""

    @abstractmethod
    def load(self, path: str | Path | None = None, verbose: bool = False, *, trust: bool = False) -> None:
        """Read a model from a folder or file; the one that comes with the package unless a path is given.

        With `trust` a file may build any Python object.
        """

    @abstractmethod
    def optimize(self, *args: Any, **kwargs: Any) -> None:
        """Make inference faster."""

    @abstractmethod
    def reset(self) -> None:
        """Forget what earlier pictures showed."""

    @abstractmethod
    def download(self, path: str | Path | None = None, mode: str = 'pretrained', *args: Any) -> list[Path]:
        """Fetch published files and return where they are."""

    @abstractmethod
    def pipeline(self, upsample_ratio: int = 4) -> ModelPipeline:
        """Return what turns pictures into poses, opening the backend on the first call."""

    @abstractmethod
    def infer_timed(self, img: Picture, upsample_ratio: int = 4) -> Result:
        """Return the people in one picture, untracked, with the milliseconds of each stage."""

    def infer_next(self, img: Picture, upsample_ratio: int = 4, *, stamp: float | None = None) -> Result:
        """Return the same for the next picture of a video, whose people the caller then tells `tracker` of.

        Who can make use of knowing them, or of when the picture was taken (`stamp`, in seconds), does.
        """
        return self.infer_timed(img, upsample_ratio)

    @abstractmethod
    def infer_batch(self, images: Sequence[Picture], upsample_ratio: int = 4) -> list[Result]:
        """Return the people in several unrelated pictures."""

    def scoring_pipeline(self, upsample_ratio: int = 4) -> ModelPipeline:
        """Return what evaluations run: the same, unless a method gives out fewer keypoints than it is scored by."""
        return self.pipeline(upsample_ratio)

    @abstractmethod
    def tune(self, base_height: int | None = None, **decoding: Any) -> None:
        """Change while running what needs no new model: the height, and settings of the decoder by name."""

    @abstractmethod
    def optimized_content(self) -> bytes:
        """Return the ONNX model that `optimize` made."""
