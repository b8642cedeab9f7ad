"""Files of a training run. Does not import torch."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r'checkpoint_iter_(\d+)\.pth')
BEST = 'best.pth'


@dataclass(frozen=True)
class TrainingFolders:
    """Folders of a training run."""

    checkpoints: Path
    logs: Path
    """TensorBoard logs."""
    images: Path

    @classmethod
    def under(cls, folder: Path) -> 'TrainingFolders':
        """Return the folders of a run inside `folder`."""
        return cls(folder / 'checkpoints', folder / 'logs', folder / 'images')

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score."""
        return self.checkpoints / BEST

    def checkpoint(self, iteration: int) -> Path:
        """Return the published name of a checkpoint."""
        return self.checkpoints / f'checkpoint_iter_{iteration}.pth'

    def written(self) -> list[Path]:
        """Return the numbered checkpoints that exist, the newest last."""
        return [path for _, path in _numbered(self.checkpoints)]


def checkpoint_before(path: Path) -> Path | None:
    """Return the newest checkpoint beside this one that is older, None if there is none."""
    match = NAME.fullmatch(path.name)
    number = int(match[1]) if match else math.inf
    older = [each for count, each in _numbered(path.parent) if count < number and each.name != path.name]
    return older[-1] if older else None


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    return sorted(found)
