"""Telling batches after which the optimiser stepped from those whose gradients are only added up."""

from lightning.pytorch import Trainer


class Steps:
    """Whether a callback's last batch made a step; each callback has its own."""

    def __init__(self) -> None:
        self._seen = 0

    def begin(self, trainer: Trainer) -> None:
        """Take note of where training begins."""
        self._seen = trainer.global_step

    def made_one(self, trainer: Trainer) -> bool:
        """Whether there is a new step; to be asked once a batch."""
        new = trainer.global_step != self._seen
        self._seen = trainer.global_step
        return new


def due(step: int, after: int, last: int) -> bool:
    """Whether something is done at this step that is done after every so many (0 for never) and at the last."""
    return step == last or (after > 0 and step % after == 0)
