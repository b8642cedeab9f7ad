"""Same seed, same batches: with any number of workers, of processes, and taken up anywhere."""

import numpy as np
import pytest
import torch

from pose_estimation_ros.core.errors import SettingsError, SourceError
from pose_estimation_ros.training.items import Items
from pose_estimation_ros.training.loader import EpochSampler, Loader, Stream
from test.training.conftest import METHOD, StickPeople, jitter

STREAM = Stream(pictures=11, batch_size=4, batches_per_iter=1, seed=9)


def loader(workers=0, rank=0, world=1, stream=STREAM, seed=9, pictures=None):
    objective = METHOD.objective(METHOD.options())
    items = Items(pictures or StickPeople(11), jitter, objective, seed)
    return Loader(items, EpochSampler(stream, rank, world), workers, pinned=False)


def pictures_of(batches):
    return torch.cat([batch.images for batch in batches])


def test_same_batches_with_any_number_of_workers():
    alone, helped = list(loader()), list(loader(workers=2))
    assert torch.equal(pictures_of(alone), pictures_of(helped))
    for one, other in zip(alone, helped, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.targets, other.targets, strict=True))


def test_seeds_and_epochs_differ():
    first, other_seed = loader(), loader(stream=Stream(11, 4, 1, seed=10), seed=10)
    later = loader()
    later.order.set_epoch(1)
    seen = [pictures_of(list(each)) for each in (first, other_seed, later)]
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_an_item_looks_different_in_each_epoch():
    items = loader().dataset
    assert not np.array_equal(items[0, 3].images, items[1, 3].images)
    assert np.array_equal(items[1, 3].images, items[1, 3].images)


def test_an_epoch_shows_each_picture_once_and_only_whole_batches():
    keys = torch.cat([batch.keys for batch in loader()])
    assert len(keys) == 8
    assert len(set(keys[:, 1].tolist())) == 8
    assert set(keys[:, 0].tolist()) == {0}


def test_processes_share_the_batches_of_one():
    alone = list(loader())
    shares = [list(loader(rank=rank, world=2)) for rank in (0, 1)]
    for batch, first, second in zip(alone, *shares, strict=True):
        assert torch.equal(batch.keys[0::2], first.keys)
        assert torch.equal(batch.keys[1::2], second.keys)


@pytest.mark.parametrize('workers', [0, 2])
def test_goes_on_where_it_was(workers):
    whole = list(loader())
    broken_off = loader(workers)
    iterator = iter(broken_off)
    next(iterator)
    state = broken_off.state_dict()
    again = loader(workers)
    again.load_state_dict(state)
    assert len(again) == len(whole)
    rest = list(again)
    assert torch.equal(pictures_of(rest), pictures_of(whole[1:]))
    assert again.state_dict()['epoch'] == 1
    assert again.state_dict()['batch'] == 0


def test_goes_on_only_with_the_same_stream():
    state = loader().state_dict()
    with pytest.raises(SettingsError, match='batch_size was 4, is 2'):
        loader(stream=Stream(11, 2, 1, 9)).load_state_dict(state)


@pytest.mark.parametrize(
    ('stream', 'message'),
    [((0, 4, 1, 0), 'no pictures to train on'), ((7, 4, 2, 0), '7 pictures do not fill one step of 8')],
)
def test_too_few_pictures(stream, message):
    with pytest.raises(SettingsError, match=message):
        Stream(*stream)


def test_only_whole_steps_count():
    stream = Stream(pictures=23, batch_size=4, batches_per_iter=2, seed=0)
    assert (stream.batches, stream.steps) == (4, 2)


def test_batch_must_be_shareable():
    with pytest.raises(SettingsError, match='batch_size 4 must be a multiple of the 3 processes'):
        EpochSampler(STREAM, 0, 3)


class Missing(StickPeople):
    def sample(self, index):
        raise SourceError(f'picture {index} is not there')


@pytest.mark.parametrize('workers', [0, 1])
def test_a_picture_that_cannot_be_read_is_told_in_its_own_words(workers):
    with pytest.raises(SourceError, match=r'^picture \d+ is not there$'):
        list(loader(workers, pictures=Missing(11)))
