"""Which learner makes the first of two passes."""

from dataclasses import dataclass

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.learners.learner import Learner


@dataclass(frozen=True, eq=False)
class FirstPass:
    """A learner of whole pictures, in one pass, whose people have the skeleton that the second pass gives them."""

    learner: Learner

    @classmethod
    def of(cls, learner: Learner) -> 'FirstPass':
        """Return a learner as the first pass; raises SettingsError where it cannot be that."""
        method = learner.method
        if method.sees != 'picture' or method.skeleton is not OPENPOSE_18:
            raise SettingsError(
                f'first_pass must be a learner that sees whole pictures and finds the {len(OPENPOSE_18)} keypoints of'
                f' Lightweight OpenPose, got one of {method.name}'
            )
        return cls(learner)

    def pipeline(self, upsample_ratio: int) -> Pipeline:
        """Return what looks; raises SettingsError where the learner itself looks twice."""
        pipeline = self.learner.pipeline(upsample_ratio)
        if not isinstance(pipeline, Pipeline):
            raise SettingsError(
                f'first_pass must look at pictures once, got {type(self.learner).__name__}; give the learner of its'
                ' model, such as LightweightOpenPoseLearner'
            )
        return pipeline
