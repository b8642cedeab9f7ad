"""Every argument of the learners is told somewhere: where it is, or at `Learner`, or at the learner it is passed to."""

import inspect

import pytest

from pose_estimation_ros import (
    HigherHRNetLearner,
    HighResolutionPoseEstimationLearner,
    Learner,
    LightweightOpenPoseLearner,
    SimpleBaselineLearner,
)

LEARNERS = (LightweightOpenPoseLearner, HighResolutionPoseEstimationLearner, SimpleBaselineLearner, HigherHRNetLearner)
METHODS = ('fit', 'eval', 'infer', 'save', 'load', 'optimize', 'download', 'infer_timed', 'infer_batch')
PLAIN = ('path', 'verbose', 'images')
"""Of methods that say it all in a sentence."""


def told(*places):
    return '\n'.join(inspect.getdoc(place) or '' for place in places)


def is_told(name, text):
    return f'{name}: ' in text or f'`{name}`' in text


@pytest.mark.parametrize('learner', LEARNERS)
def test_arguments_of_constructors(learner):
    text = told(learner, Learner, *([LightweightOpenPoseLearner] if learner is LEARNERS[1] else []))
    assert [name for name in inspect.signature(learner).parameters if not is_told(name, text)] == []


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('learner', LEARNERS)
def test_arguments_of_methods(learner, method):
    classes = (learner, Learner, *([LightweightOpenPoseLearner] if learner is LEARNERS[1] else []))
    text = told(
        *(getattr(each, method) for each in classes), *((learner.infer, Learner.infer) if 'infer' in method else ())
    )
    names = set(inspect.signature(getattr(learner, method)).parameters) - {'self', 'args', 'kwargs', *PLAIN}
    assert sorted(name for name in names if not is_told(name, text)) == []


@pytest.mark.parametrize('learner', LEARNERS)
def test_methods_answer_help(learner):
    public = [name for name, each in inspect.getmembers(learner, callable) if not name.startswith('_')]
    assert [name for name in public if not inspect.getdoc(getattr(learner, name))] == []
