"""Same seed, same batches: with any number of workers, of processes, and resumed anywhere."""

import numpy as np
import pytest
import torch

from pose_estimation_ros.core.errors import SettingsError, SourceError
from pose_estimation_ros.training.loader import BatchOrder, EpochSampler, Items, Loader
from pose_estimation_ros.training.pose.task import PoseData
from test.training.conftest import METHOD, StickPeople, jitter

ORDER = BatchOrder(samples=11, batch_size=4, batches_per_step=1, seed=9)


def loader(workers=0, rank=0, world=1, order=ORDER, samples=None):
    data = PoseData(samples or StickPeople(11), jitter, METHOD.objective(METHOD.options()))
    return Loader(data, EpochSampler(order, rank, world), workers, pinned=False)


def images_of(batches):
    return torch.cat([batch.inputs for batch in batches])


def test_same_batches_with_any_number_of_workers():
    alone, helped = list(loader()), list(loader(workers=2))
    assert torch.equal(images_of(alone), images_of(helped))
    for one, other in zip(alone, helped, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.targets, other.targets, strict=True))


def test_seeds_and_epochs_differ():
    first, other_seed = loader(), loader(order=BatchOrder(11, 4, 1, seed=10))
    later = loader()
    later.position.set_epoch(1)
    seen = [images_of(list(each)) for each in (first, other_seed, later)]
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_a_sample_looks_different_in_each_epoch():
    items = Items(PoseData(StickPeople(11), jitter, METHOD.objective(METHOD.options())))
    assert not np.array_equal(items[9, 0, 3].inputs, items[9, 1, 3].inputs)
    assert np.array_equal(items[9, 1, 3].inputs, items[9, 1, 3].inputs)


def test_an_epoch_shows_each_sample_once_and_only_whole_batches():
    keys = torch.cat([batch.keys for batch in loader()])
    assert len(keys) == 8
    assert len(set(keys[:, 2].tolist())) == 8
    assert {tuple(key) for key in keys[:, :2].tolist()} == {(9, 0)}


def test_processes_share_the_batches_of_one():
    alone = list(loader())
    shares = [list(loader(rank=rank, world=2)) for rank in (0, 1)]
    for batch, first, second in zip(alone, *shares, strict=True):
        assert torch.equal(batch.keys[0::2], first.keys)
        assert torch.equal(batch.keys[1::2], second.keys)


@pytest.mark.parametrize('workers', [0, 2])
def test_resumes_where_it_was(workers):
    whole = list(loader())
    interrupted = loader(workers)
    iterator = iter(interrupted)
    next(iterator)
    state = interrupted.state_dict()
    again = loader(workers)
    again.load_state_dict(state)
    assert len(again) == len(whole)
    rest = list(again)
    assert torch.equal(images_of(rest), images_of(whole[1:]))
    assert again.state_dict()['epoch'] == 1
    assert again.state_dict()['batch'] == 0


def test_resumes_only_with_the_same_order():
    state = loader().state_dict()
    with pytest.raises(SettingsError, match='batch_size was 4, is 2'):
        loader(order=BatchOrder(11, 2, 1, 9)).load_state_dict(state)


@pytest.mark.parametrize(
    ('order', 'message'),
    [((0, 4, 1, 0), 'no samples to train on'), ((7, 4, 2, 0, 'image'), '7 images do not fill one step of 8')],
)
def test_too_few_samples(order, message):
    with pytest.raises(SettingsError, match=message):
        BatchOrder(*order)


def test_only_whole_steps_count():
    order = BatchOrder(samples=23, batch_size=4, batches_per_step=2, seed=0)
    assert (order.batches, order.steps) == (4, 2)


def test_batch_must_be_shareable():
    with pytest.raises(SettingsError, match='batch_size 4 must be a multiple of the 3 processes'):
        EpochSampler(ORDER, 0, 3)


class Missing(StickPeople):
    def sample(self, index):
        raise SourceError(f'image {index} does not exist')


@pytest.mark.parametrize('workers', [0, 1])
def test_the_error_of_a_worker_arrives_as_it_is(workers):
    with pytest.raises(SourceError, match=r'^image \d+ does not exist$'):
        list(loader(workers, samples=Missing(11)))
