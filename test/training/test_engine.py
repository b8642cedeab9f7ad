"""The engine as its users meet it: steps, losses, checkpoints, resuming, ending."""

import json
import math
import re
import resource
from dataclasses import replace

import numpy as np
import pytest
import torch

from pose_estimation_ros.backbones.weights_file import read_state_dict
from pose_estimation_ros.core.errors import BackendError, OutputError, SettingsError, TrainingError, WeightsError
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.folders import TrainingFolders
from pose_estimation_ros.training.settings import LoggingSettings, OptimizerSettings, ScheduleSettings, TrainerSettings
from test.training.conftest import METHOD, InterruptedAt, Recording, StickPeople, make_settings, make_task


def difference(one, other):
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def content(path):
    return torch.load(path, weights_only=True)


def test_trains_and_writes_published_checkpoints(folder):
    before = {name: value.clone() for name, value in make_task().network.state_dict().items()}
    result = train(make_task(), make_settings(), folder)
    assert result.iteration == 8
    assert [path.name for path in result.checkpoints] == [f'checkpoint_iter_{step}.pth' for step in (3, 6, 8)]
    assert set(result.losses) == {'stage0_heatmaps_loss', 'stage0_paf_loss'}
    assert all(len(losses) == 8 for losses in result.losses.values())
    assert difference(before, result.network.state_dict()) > 0
    last = content(result.checkpoints[-1])
    assert last.keys() >= {'state_dict', 'optimizer', 'scheduler', 'iter', 'current_epoch'}
    assert (last['iter'], last['current_epoch']) == (8, 1)
    assert difference(last['state_dict'], result.network.state_dict()) == 0


def test_checkpoints_load_as_published_ones(folder):
    result = train(make_task(), make_settings(), folder)
    state_dict = read_state_dict(result.checkpoints[0])
    options = METHOD.options({'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.1, 'num_refinement_stages': 0})
    assert METHOD.read_checkpoint(result.checkpoints[0])[1].num_refinement_stages == 0
    assert METHOD.fit_weights(METHOD.network(options), state_dict).startswith('loaded')


@pytest.mark.parametrize('drawing', [0, 1], ids=['', 'with images'])
def test_a_network_that_was_used_trains_like_a_new_one(folder, drawing):
    settings = make_settings(max_epochs=1, val_after=1, logging={'images_after': drawing})
    new = train(make_task(validation=Recording()), settings, folder)
    used = make_task(validation=Recording())
    used.network.eval()
    again = train(used, settings, folder / 'again')
    assert again.losses == new.losses
    assert all(torch.equal(value, new.network.state_dict()[name]) for name, value in again.network.state_dict().items())


def test_folded_batch_norms_stay_as_they_are(folder):
    """As in lwop_omz: to normalise by a batch's statistics would make another network of it."""
    task = make_task(validation=Recording())
    norms = [module for module in task.network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms[1:]:
        torch.nn.init.constant_(norm.bias, 0.1)
    train(task, make_settings(max_epochs=1, logging={'images_after': 1}), folder)
    assert norms[0].running_mean.abs().max() > 0
    assert all((norm.running_mean == 0).all() and (norm.running_var == 1).all() for norm in norms[1:])


def test_frozen_modules_stay_as_they_are_and_others_learn(folder):
    """Weights and statistics, also with an average of all weights."""
    task = make_task(validation=Recording())
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    settings = make_settings(max_epochs=1, ema_decay=0.9, val_after=2)
    settings = replace(settings, optimizer=replace(settings.optimizer, frozen=('model.features.0', 'model.features.2')))
    after = train(task, settings, folder).network.state_dict()
    frozen = tuple(f'{name}.' for name in settings.optimizer.frozen)
    assert {name: bool(torch.equal(after[name], before[name])) for name in after if name.startswith(frozen)} == {
        name: True for name in after if name.startswith(frozen)
    }
    learnt = [name for name in after if name.startswith(('model.features.1.', 'cpm.align.'))]
    assert learnt
    assert not all(torch.equal(after[name], before[name]) for name in learnt)


def test_what_the_network_lacks_cannot_be_frozen(folder):
    settings = make_settings()
    settings = replace(settings, optimizer=replace(settings.optimizer, frozen=('backbone',)))
    words = r"optimizer.frozen must name modules of the network, got 'backbone'; there are model, model.features, cpm,"
    with pytest.raises(SettingsError, match=words):
        train(make_task(), settings, folder)


def test_loss_falls_on_repeated_images(folder):
    settings = make_settings(max_epochs=6, schedule=ScheduleSettings(kind='constant'))
    settings = type(settings)(OptimizerSettings(lr=1e-3), settings.schedule, settings.trainer, settings.logging)
    losses = train(make_task(StickPeople(4)), settings, folder).losses['stage0_heatmaps_loss']
    assert np.mean(losses[-2:]) < 0.7 * np.mean(losses[:2])


@pytest.mark.parametrize(
    ('trainer', 'at'),
    [
        ({}, 3),
        ({'checkpoint_after': 4}, 4),
        ({'batches_per_iter': 2, 'checkpoint_after': 1}, 1),
        ({'ema_decay': 0.9}, 6),
    ],
    ids=['mid-epoch', 'between epochs', 'accumulating', 'averaging, in the second epoch'],
)
def test_resumed_it_gives_what_one_run_gives(folder, trainer, at):
    settings = make_settings(max_epochs=3, **trainer)
    whole = train(make_task(StickPeople(9)), settings, folder / 'whole')
    start = folder / 'whole' / 'checkpoints' / f'checkpoint_iter_{at}.pth'
    rest = train(make_task(StickPeople(9)), settings, folder / 'rest', resume=start)
    assert rest.iteration == whole.iteration
    for name, losses in rest.losses.items():
        assert losses == whole.losses[name][at:]
    assert difference(whole.network.state_dict(), rest.network.state_dict()) == 0
    one, other = content(whole.checkpoints[-1]), content(rest.checkpoints[-1])
    assert one['current_epoch'] == other['current_epoch']
    assert one['scheduler']['_last_lr'] == other['scheduler']['_last_lr']


@pytest.mark.slow
def test_resumed_twice(folder):
    settings = make_settings(max_epochs=3)
    whole = train(make_task(), settings, folder / 'whole')
    stops = iter([False, False, False, False, True])
    part = train(make_task(), settings, folder / 'a', stop=lambda: next(stops))
    assert part.stopped
    assert part.iteration == 5
    stops = iter([False, False, True])
    part = train(make_task(), settings, folder / 'b', resume=part.checkpoints[-1], stop=lambda: next(stops))
    assert part.iteration == 8
    rest = train(make_task(), settings, folder / 'c', resume=part.checkpoints[-1])
    assert difference(whole.network.state_dict(), rest.network.state_dict()) == 0


@pytest.mark.slow
def test_a_finished_training_can_be_prolonged(folder):
    whole = train(make_task(), make_settings(max_epochs=3), folder / 'whole')
    short = train(make_task(), make_settings(max_epochs=2), folder / 'short')
    longer = train(make_task(), make_settings(max_epochs=3), folder / 'longer', resume=short.checkpoints[-1])
    assert difference(whole.network.state_dict(), longer.network.state_dict()) == 0
    again = train(make_task(), make_settings(max_epochs=2), folder / 'again', resume=short.checkpoints[-1])
    assert again.losses == {}
    assert again.iteration == 8


def test_ends(folder):
    assert train(make_task(), make_settings(max_steps=3), folder / 'a').iteration == 3
    assert train(make_task(), make_settings(limit_batches=4, batches_per_iter=2), folder / 'b').iteration == 2


def test_schedule_is_the_published_one(folder):
    settings = make_settings(max_epochs=4, schedule=ScheduleSettings(milestones=(1, 3), gamma=0.1), checkpoint_after=1)
    result = train(make_task(StickPeople(2)), settings, folder)
    rates = [content(path)['scheduler']['_last_lr'][0] for path in result.checkpoints]
    # that of the next epoch: epoch 0 as set, epochs 1 and 2 a tenth, epoch 3 a hundredth
    assert rates == pytest.approx([4e-6, 4e-6, 4e-7, 4e-7])


def test_cosine_warms_up_and_falls(folder):
    schedule = ScheduleSettings(kind='cosine', warmup_steps=2, final_factor=0.1)
    result = train(make_task(), make_settings(schedule=schedule, checkpoint_after=1), folder)
    rates = [content(path)['scheduler']['_last_lr'][0] / 4e-5 for path in result.checkpoints]
    assert rates[0] == pytest.approx(1.0)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)


def test_a_users_schedule_is_called_with_the_optimizer(folder):
    seen = []

    def schedule(optimizer):
        seen.append(type(optimizer).__name__)
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    settings = make_settings(max_epochs=2, checkpoint_after=1)
    result = train(make_task(StickPeople(2)), settings, folder, lr_schedule=schedule)
    assert seen == ['Adam']
    assert content(result.checkpoints[-1])['scheduler']['_last_lr'][0] == pytest.approx(1e-5)


def test_accumulating_is_a_greater_batch(folder):
    """With batch norm as it was when trained, since it sees the smaller batches."""
    tasks = [make_task() for _ in range(2)]
    for task in tasks:
        freeze_batch_norm(task.network)
    one = train(tasks[0], make_settings(batch_size=4, max_steps=2), folder / 'a')
    other = train(tasks[1], make_settings(batch_size=2, batches_per_iter=2, max_steps=2), folder / 'b')
    for name, losses in one.losses.items():
        assert losses == pytest.approx(other.losses[name], rel=1e-4)


def freeze_batch_norm(network):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.forward = lambda features, norm=module: torch.nn.functional.batch_norm(
                features, norm.running_mean, norm.running_var, norm.weight, norm.bias
            )


def test_average_is_what_is_validated_and_saved(folder):
    recording = Recording()
    result = train(make_task(validation=recording), make_settings(ema_decay=0.5, val_after=0), folder)
    (_, _, validated), *_ = recording.seen[0]
    last = content(result.checkpoints[-1])
    first = next(iter(last['state_dict']))
    assert torch.equal(validated, last['state_dict'][first])
    assert not torch.equal(validated, last['resume']['state_dict'][first])
    assert torch.equal(validated, result.network.state_dict()[first])


def test_validates_every_so_many_steps_and_at_the_end(folder):
    result = train(make_task(validation=Recording()), make_settings(val_after=3), folder)
    assert [each['iteration'] for each in result.evaluations] == [3, 6, 8]
    assert (folder / 'checkpoints' / 'best.pth').exists()
    assert content(folder / 'checkpoints' / 'best.pth')['iter'] == 8  # the recording's scores only rise


@pytest.mark.slow
def test_results_of_validation_outlive_a_resumption(folder):
    settings = make_settings(val_after=3)
    train(make_task(validation=Recording()), settings, folder)
    start = folder / 'checkpoints' / 'checkpoint_iter_6.pth'
    result = train(make_task(validation=Recording()), settings, folder / 'rest', resume=start)
    assert [each['iteration'] for each in result.evaluations] == [3, 6, 8]


@pytest.mark.parametrize('number', [1, 3], ids=['on the way', 'at the end'])
def test_an_interrupted_validation_runs_again_on_resumption(folder, number, capfd):
    settings = make_settings(val_after=3, logging={'progress': True})
    whole = train(make_task(validation=InterruptedAt(0)), settings, folder / 'whole')
    validation = InterruptedAt(number)
    part = train(make_task(validation=validation), settings, folder, stop=validation.requested)
    assert part.stopped
    assert validation.samples == 2
    assert part.iteration == (3, 6, 8)[number - 1]
    assert part.checkpoints[-1].name == f'checkpoint_iter_{part.iteration}.pth'
    assert part.evaluations == whole.evaluations[: number - 1]
    rest = train(
        make_task(validation=InterruptedAt(0)), settings, folder / 'rest', resume=part.checkpoints[-1]
    )  # fmt: skip
    assert rest.evaluations == whole.evaluations
    assert difference(whole.network.state_dict(), rest.network.state_dict()) == 0
    assert re.search(r'validating: .* 0/5 ', capfd.readouterr().err)


def test_keeps_the_newest(folder):
    result = train(make_task(), make_settings(checkpoint_after=2, keep_checkpoints=2), folder)
    assert [path.name for path in TrainingFolders.under(folder).written()] == [
        'checkpoint_iter_6.pth',
        'checkpoint_iter_8.pth',
    ]
    assert result.checkpoints == TrainingFolders.under(folder).written()


def test_no_checkpoints_where_none_are_wanted(folder):
    task = make_task(validation=Recording())
    result = train(task, make_settings(checkpoint_after=0), folder, stop=lambda: True)
    assert result.stopped
    assert not list(folder.rglob('*.pth'))


@pytest.mark.slow
def test_iterations_are_counted_on_after_a_resumption(folder):
    """Whether or not it says again where they began."""
    begun = train(make_task(), replace(make_settings(max_epochs=1), first_iteration=100), folder)
    assert begun.iteration == 104
    result = train(make_task(), make_settings(), folder, resume=begun.checkpoints[-1])
    assert result.iteration == 108
    assert [path.name for path in result.checkpoints] == ['checkpoint_iter_106.pth', 'checkpoint_iter_108.pth']
    assert content(result.checkpoints[-1])['iter'] == 108


def test_iterations_count_from_where_they_are_told_to(folder):
    settings = make_settings()
    settings = type(settings)(
        settings.optimizer, settings.schedule, settings.trainer, settings.logging, first_iteration=100
    )
    result = train(make_task(), settings, folder)
    assert [path.name for path in result.checkpoints][-1] == 'checkpoint_iter_108.pth'
    assert content(result.checkpoints[-1])['iter'] == 108
    rest = train(make_task(), settings, folder / 'rest', resume=result.checkpoints[0])
    assert rest.iteration == 108


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
def test_precision(folder, precision):
    losses = train(make_task(), make_settings(max_steps=2, precision=precision), folder).losses
    assert all(math.isfinite(value) for values in losses.values() for value in values)


def test_fp16_needs_a_gpu(folder):
    with pytest.raises(BackendError, match='fp16 needs a GPU'):
        train(make_task(), make_settings(precision='fp16'), folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_cuda_must_be_there(folder):
    with pytest.raises(BackendError, match='no GPU here'):
        train(make_task(), make_settings(device='cuda'), folder)


def test_timings_add_up(folder):
    timings = train(make_task(), make_settings(), folder).timings
    parts = [timings[f'{part}_ms'] for part in ('data', 'forward', 'backward', 'optimiser')]
    assert all(part > 0 for part in parts)
    assert timings['total_ms'] == pytest.approx(sum(parts))
    assert timings['batches'] == 5
    json.dumps(timings)


# --- what goes wrong ---


def test_nan_ends_training_and_leaves_whole_checkpoints(folder):
    settings = make_settings(max_epochs=4, checkpoint_after=1)
    settings = type(settings)(OptimizerSettings(lr=1e30), settings.schedule, settings.trainer, settings.logging)
    with pytest.raises(TrainingError, match=r'NaN|became'):
        train(make_task(), settings, folder)
    for path in TrainingFolders.under(folder).written():
        read_state_dict(path)
    assert len(TrainingFolders.under(folder).written()) < 4


def test_full_disk_leaves_earlier_checkpoints_whole(folder):
    """A limit on the size of files stands for the disk: the system refuses to write on."""
    first = train(make_task(), make_settings(max_steps=3), folder).checkpoints[0]
    before = first.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(OutputError, match=r'^cannot write .*checkpoint_iter_6\.pth: File too large$'):
            train(make_task(), make_settings(), folder, resume=first)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (folder / 'checkpoints').iterdir()] == [first.name]
    assert first.read_bytes() == before


def test_damaged_checkpoint(folder):
    first = train(make_task(), make_settings(max_steps=3), folder).checkpoints[0]
    first.write_bytes(first.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match='cut off or damaged'):
        train(make_task(), make_settings(), folder, resume=first)


def test_damaged_checkpoint_names_the_one_before(folder):
    result = train(make_task(), make_settings(), folder)
    first, second, third = result.checkpoints
    third.write_bytes(third.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=rf'checkpoint_iter_8.* damaged.*The checkpoint before it is {second}: .*'):
        train(make_task(), make_settings(), folder, resume=third)
    second.write_bytes(b'')
    with pytest.raises(WeightsError, match=rf'{second} is empty.*before it is {first}: .* move {second.name} away'):
        train(make_task(), make_settings(), folder, resume=second)
    third.unlink()
    second.unlink()
    assert train(make_task(), make_settings(), folder, resume=first).iteration == 8


def test_checkpoint_of_another_network(folder):
    first = train(make_task(), make_settings(max_steps=3), folder).checkpoints[0]
    with pytest.raises(WeightsError, match=r'another network: \d+ of \d+ tensors do not fit'):
        train(make_task(num_refinement_stages=1), make_settings(), folder, resume=first)


def test_cannot_resume_from_weights_alone(folder, tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save({'state_dict': make_task().network.state_dict()}, path)
    with pytest.raises(WeightsError, match=r'no training state to resume.*start\.checkpoint'):
        train(make_task(), make_settings(), folder, resume=path)


def test_cannot_resume_with_other_batches(folder):
    first = train(make_task(), make_settings(max_steps=3), folder).checkpoints[0]
    with pytest.raises(SettingsError, match='pictures was 8, is 6'):
        train(make_task(StickPeople(6)), make_settings(), folder, resume=first)


def test_no_samples(folder):
    with pytest.raises(SettingsError, match=r'no images to train on'):
        train(make_task(StickPeople(0)), make_settings(), folder)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: OptimizerSettings(lr=0), 'optimizer.lr must be a number above 0, got 0'),
        (lambda: ScheduleSettings(milestones=(5, 2)), 'rising'),
        (lambda: ScheduleSettings(warmup_steps=5), 'not|got multistep'),
        (lambda: OptimizerSettings(momentum=0.9), 'momentum is a setting of sgd, optimizer.kind is adam'),
        (
            lambda: OptimizerSettings('sgd', momentum=1.0),
            'optimizer.momentum must be a number from 0 to below 1, got 1.0',
        ),
        (
            lambda: OptimizerSettings('sgd', nesterov=True),
            'nesterov needs kind sgd and a momentum above 0, got sgd and 0',
        ),
        (lambda: TrainerSettings(batch_size=0), 'trainer.batch_size must be a whole number, 1 or more, got 0'),
        (lambda: TrainerSettings(ema_decay=1.0), 'trainer.ema_decay'),
        (lambda: LoggingSettings(log_after=0), 'logging.log_after'),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(SettingsError, match=message):
        make()
