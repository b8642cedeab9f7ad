"""Trackers on synthetic people who run, cross each other, pass behind a post, before a camera that sways."""

from functools import partial

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.evaluation.tracking_comparison import DetectorErrors, detect, run_trackers, total
from pose_estimation_ros.synthetic.crossing import CrossingSettings, crossing_video
from pose_estimation_ros.tracking.flow import FlowSettings, flow_tracker
from pose_estimation_ros.tracking.motion import OpticalFlow
from pose_estimation_ros.tracking.tracker import Tracker
from pose_estimation_ros.tracking.trackers import TRACKERS

SCENE = CrossingSettings(
    width=480, height=270, frames=40, people=4, size=(90, 170), speed=(0.05, 0.2), post=35, sway=40, postures=3
)


def no_flow(before, now):
    return np.zeros((*before.shape, 2), np.float32)


@pytest.fixture(scope='module')
def frames():
    return list(crossing_video(1, SCENE))


@pytest.fixture(scope='module')
def sequence(frames):
    return detect(frames, 1)


@pytest.fixture(scope='module')
def runs(sequence):
    without = partial(flow_tracker, motion=OpticalFlow(no_flow))
    short = partial(flow_tracker, FlowSettings(queue=1))
    return run_trackers(sequence, {**TRACKERS, 'flow that is nothing': without, 'a queue of one': short})


def test_the_sequence_is_as_hard_as_it_says(sequence):
    """Fast: further than the published measure follows. Crossing: boxes overlap. Occlusion: people go and come back."""
    there = {identity: [] for identity in range(1, SCENE.people + 1)}
    steps, crossings, before = [], 0, {}
    for trial in sequence:
        now = {pose.id: pose for pose in trial.truth}
        for identity, frames in there.items():
            frames.append(identity in now)
        steps += [
            float(np.nanmedian(abs(now[each].keypoints[:, 0] - before[each].keypoints[:, 0])) / now[each].bbox[3])
            for each in now.keys() & before.keys()
        ]
        boxes = [pose.bbox for pose in trial.truth]
        crossings += any(
            one is not other and abs(one[0] + one[2] / 2 - other[0] - other[2] / 2) < one[2] / 2
            for one in boxes
            for other in boxes
        )
        before = now
    returns = sum(
        frames[index] and not frames[index - 1] and any(frames[:index])
        for frames in there.values()
        for index in range(1, len(frames))
    )
    assert np.median(steps) > 0.04
    assert crossings >= 5
    assert returns >= 4


def test_flow_switches_less_than_similarity(runs):
    switches = {name: run.result.switches for name, run in runs.items()}
    assert switches['flow'] * 2 < switches['published']
    assert switches['flow'] < switches['similarity']
    assert runs['flow'].result.mota > runs['similarity'].result.mota > runs['published'].result.mota
    assert runs['flow'].result.idf1 > runs['published'].result.idf1


def test_it_is_the_flow_that_helps(runs):
    assert runs['flow'].result.switches < runs['flow that is nothing'].result.switches
    assert runs['flow'].result.switches <= runs['a queue of one'].result.switches


def test_all_trackers_see_the_same_people(runs, sequence):
    assert {run.result.people for run in runs.values()} == {sum(len(trial.truth) for trial in sequence)}
    assert {len(run.update_ms) for run in runs.values()} == {SCENE.frames}


def test_a_detector_without_faults_finds_the_truth(frames):
    for trial in detect(frames[:5], 0, DetectorErrors(0, 0, 0, 0)):
        found, true = (
            sorted(pose.found[:, :2].ravel().tolist() for pose in poses) for poses in (trial.found, trial.truth)
        )
        assert found == true


def test_faults_come_as_often_as_they_are_asked_for(frames):
    trial_runs = detect(frames, 0, DetectorErrors(lost_people=1, phantoms=1))
    assert all(len(trial.found) == 1 and len(trial.found[0].found) < 8 for trial in trial_runs)
    assert detect(frames[:3], 4)[2].found[0].score == detect(frames[:3], 4)[2].found[0].score


def test_totals_add_up(sequence):
    halves = [run_trackers(part, {'flow': flow_tracker})['flow'].result for part in (sequence[:20], sequence[20:])]
    both = total(halves)
    assert both.people == sum(each.people for each in halves)
    assert both.switches == sum(each.switches for each in halves)
    assert min(each.idf1 for each in halves) <= both.idf1 <= max(each.idf1 for each in halves)
    assert both.mota == pytest.approx(1 - (both.misses + both.false_positives + both.switches) / both.people)


def test_senseless_faults_are_refused():
    with pytest.raises(SettingsError, match='shares from 0 to 1'):
        DetectorErrors(lost_keypoints=2)


def test_a_tracker_without_flow_needs_no_image(sequence):
    assert not Tracker().needs_image
    assert Tracker().update(sequence[0].found, 0, smooth=False)
