"""Images drawn on the spot, and a training small enough for a test."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.data.sample import Sample, boxes_of
from pose_estimation_ros.methods.systems import find_method
from pose_estimation_ros.training.distillation.features import FeatureDistillation
from pose_estimation_ros.training.pose.task import PoseData, PoseTask
from pose_estimation_ros.training.settings import (
    EngineSettings,
    LoggingSettings,
    OptimizerSettings,
    ScheduleSettings,
    TrainerSettings,
)

METHOD = find_method('lightweight_openpose')
LAYERS = ('model.features.1', 'model.features.3', 'cpm')

# x and y of OPENPOSE_18 in a figure one unit high and standing, from the top-left corner
FIGURE = np.array(
    [
        *((0.25, 0.1), (0.25, 0.22), (0.12, 0.23), (0.06, 0.38), (0.02, 0.52), (0.38, 0.23), (0.44, 0.38)),
        *((0.48, 0.52), (0.17, 0.52), (0.15, 0.73), (0.14, 0.95), (0.33, 0.52), (0.35, 0.73), (0.36, 0.95)),
        *((0.21, 0.06), (0.29, 0.06), (0.16, 0.08), (0.34, 0.08)),
    ]
)


@dataclass(frozen=True)
class StickPeople:
    """Stick figures, one in each half of the image."""

    count: int = 8
    size: int = 64
    skeleton = OPENPOSE_18
    annotated = np.ones(18, bool)

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> Sample:
        rng = np.random.default_rng([7, index])
        image = np.full((self.size, self.size, 3), rng.integers(40, 90), np.uint8)
        people = []
        for left in (0.02, 0.5):
            xy = (FIGURE * 0.9 + (left, rng.uniform(0.02, 0.08))) * self.size
            people.append(np.column_stack([xy, np.full(18, 2.0)]))
            for (a, b), colour in zip(OPENPOSE_18.limbs, OPENPOSE_18.limb_colours, strict=True):
                cv2.line(image, *(tuple(map(int, xy[end].round())) for end in (a, b)), colour, 2)
        joints = np.array(people)
        mask = np.ones(image.shape[:2], np.uint8)
        return Sample(image, mask, joints, boxes_of(joints), np.full(2, self.size**2 / 4), self.annotated)


def jitter(sample: Sample, rng: np.random.Generator) -> Sample:
    """Brighten or darken: as good as any transform to see whether a sample's seed was the same."""
    changed = sample.image.astype(int) + int(rng.integers(-30, 30))
    return replace(sample, image=changed.clip(0, 255).astype(np.uint8))


def unchanged(sample: Sample, rng: np.random.Generator) -> Sample:
    return sample


@dataclass(frozen=True)
class Recording:
    """A validation that records its calls."""

    seen: list = field(default_factory=list)

    def run(self, network, rank, world, progress=None):
        assert not network.training
        return rank, world, next(iter(network.state_dict().values())).clone()

    def score(self, parts):
        self.seen.append(parts)
        return {'AP': len(self.seen) / 10}

    def tag(self, name):
        return f'published {name}'


class InterruptedAt:
    """Validations of five samples; at the third sample of the validation of that number, training is asked to stop."""

    def __init__(self, number):
        self.number = number
        self.begun = self.samples = 0

    def requested(self):
        return self.begun == self.number and self.samples == 2

    def run(self, network, rank, world, progress):
        self.begun, self.samples = self.begun + 1, 0
        for sample in progress(range(5)):
            assert sample == self.samples
            self.samples += 1
        return float(sum(value.double().sum() for value in network.state_dict().values()))

    def score(self, parts):
        return {'sum': sum(parts)}

    def tag(self, name):
        return name


class Answers:
    """A validation that adds up a network's outputs for a few images; not how good they are."""

    samples = StickPeople(6)

    @torch.no_grad()
    def run(self, network, rank, world, progress=None):
        own = [self.samples.sample(index).image for index in range(rank, len(self.samples), world)]
        inputs = torch.from_numpy(np.stack(own)).permute(0, 3, 1, 2) / 256 - 0.5
        return sum(float(output.abs().double().sum()) for output in network(inputs))

    def score(self, parts):
        return {'answers': sum(parts)}

    def tag(self, name):
        return name


def make_task(samples=None, transform=jitter, validation=None, **options) -> PoseTask:
    """A small network of Lightweight OpenPose with the same weights each time."""
    torch.manual_seed(5)
    values = METHOD.options({'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.1, 'num_refinement_stages': 0} | options)
    network = METHOD.network(values)
    data = PoseData(StickPeople() if samples is None else samples, transform, METHOD.objective(values))
    return PoseTask(METHOD, network, data, validation=validation)


def make_teacher(seed=11, **options):
    """A wider network of the same method, to learn from."""
    torch.manual_seed(seed)
    values = {'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.2, 'num_refinement_stages': 1} | options
    return METHOD.network(METHOD.options(values))


def make_distillation(samples=None, layers=LAYERS, weight=10.0, seed=11, **options) -> FeatureDistillation:
    """The small network, which also learns a teacher's layers."""
    task = make_task(samples)
    teacher = make_teacher(seed, **options)
    torch.manual_seed(6)
    return FeatureDistillation(task, teacher, layers, weight)


def make_settings(seed: int = 3, schedule=None, logging=None, **trainer) -> EngineSettings:
    values = {'batch_size': 2, 'num_workers': 0, 'max_epochs': 2, 'device': 'cpu', 'checkpoint_after': 3} | trainer
    quiet = {'tensorboard': False, 'progress': False, 'log_after': 2} | (logging or {})
    published = METHOD.training
    return EngineSettings(
        seed=seed,
        optimizer=OptimizerSettings(**published.optimizer),
        schedule=schedule or ScheduleSettings(**{**published.schedule, 'milestones': (1,)}),
        trainer=TrainerSettings(**values),
        logging=LoggingSettings(**quiet),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / 'run'
