"""Objectives that need more than maps of one size: two scales with a mask each, and the cells of each person."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import relu

from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.pose.task import PoseData, PoseTask
from test.training.conftest import METHOD, StickPeople, jitter, make_settings

MOST_PEOPLE = 5
STRIDES = (8, 4)


@dataclass(frozen=True)
class TagObjective:
    """Heatmaps (K, h, w) and masks (h, w) at two strides, and the cell of each keypoint (P, K), -1 for none."""

    push: float = 0.001
    pull: float = 0.001

    def encode(self, annotation):
        height, width = annotation.mask.shape
        heatmaps = [np.zeros((18, height // stride, width // stride), np.float32) for stride in STRIDES]
        cells = np.full((MOST_PEOPLE, 18), -1)
        for person, keypoints in enumerate(annotation.keypoints[:MOST_PEOPLE]):
            for joint, (x, y, _) in enumerate(keypoints):
                for maps, stride in zip(heatmaps, STRIDES, strict=True):
                    maps[joint, min(int(y), height - 1) // stride, min(int(x), width - 1) // stride] = 1
                cells[person, joint] = int(y) // 8 * (width // 8) + int(x) // 8
        masks = [annotation.mask[::stride, ::stride].astype(np.float32) for stride in STRIDES]
        return *heatmaps, *masks, cells

    def loss(self, outputs, targets):
        *maps, cells = targets
        parts = {}
        for index, (output, wanted, mask) in enumerate(zip(outputs, maps[:2], maps[2:], strict=True)):
            parts[f'heatmaps{index}_loss'] = ((output[:, :18] - wanted).square() * mask[:, None]).mean()
        tags = outputs[0][:, 18:].flatten(2)  # (N, K, cells)
        own = torch.gather(tags.transpose(1, 2), 1, cells.clamp(min=0))  # (N, P, K)
        known = (cells >= 0).float()
        mean = (own * known).sum(2) / known.sum(2).clamp(min=1)  # (N, P)
        apart = relu(1 - (mean[:, :1] - mean[:, 1:2]).abs()).mean()
        close = ((own - mean[..., None]).square() * known).sum() / known.sum()
        return {**parts, 'push_loss': self.push * apart, 'pull_loss': self.pull * close}

    def parameter_groups(self, network, lr, weight_decay):
        return [{'params': list(network.parameters()), 'lr': lr, 'weight_decay': weight_decay}]


class TwoScales(nn.Module):
    def __init__(self):
        super().__init__()
        self.coarse, self.fine = nn.Conv2d(3, 36, 8, stride=8), nn.Conv2d(3, 18, 4, stride=4)

    def forward(self, images):
        return self.coarse(images), self.fine(images)


def tagged(**weights):
    torch.manual_seed(2)
    return PoseTask(METHOD, TwoScales(), PoseData(StickPeople(), jitter, TagObjective(**weights)))


def test_two_scales_and_tags_are_trained_and_resumed(tmp_path):
    settings = make_settings(max_epochs=3, num_workers=1)
    whole = train(tagged(), settings, tmp_path / 'whole')
    assert list(whole.losses) == ['heatmaps0_loss', 'heatmaps1_loss', 'push_loss', 'pull_loss']
    assert all(np.isfinite(values).all() and max(values) > 0 for values in whole.losses.values())
    start = tmp_path / 'whole' / 'checkpoints' / 'checkpoint_iter_6.pth'
    rest = train(tagged(), settings, tmp_path / 'rest', resume=start)
    assert rest.losses == {name: values[6:] for name, values in whole.losses.items()}


def test_weights_of_terms_are_the_objectives(tmp_path):
    once, twice = (
        train(tagged(push=push), make_settings(max_steps=1), tmp_path / str(push)) for push in (0.001, 0.002)
    )
    assert twice.losses['push_loss'][0] == 2 * once.losses['push_loss'][0]
    assert twice.losses['pull_loss'] == once.losses['pull_loss']
