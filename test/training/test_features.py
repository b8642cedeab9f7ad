"""Feature distillation: what is trained, what is written, what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.training.distillation.features import Adapter, FeatureDistillation, features_of
from pose_estimation_ros.training.distillation.teacher import open_feature_teacher
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.loader import BatchOrder, EpochSampler, Loader
from pose_estimation_ros.training.pose.recipe import TeacherSettings
from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings
from test.training.conftest import (
    LAYERS,
    METHOD,
    StickPeople,
    make_distillation,
    make_settings,
    make_task,
    make_teacher,
)


def content(path):
    return torch.load(path, weights_only=True)


def copied(tensors):
    return {name: value.clone() for name, value in tensors.items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_features_come_closer(folder):
    settings = replace(
        make_settings(max_epochs=15, checkpoint_after=0, schedule=ScheduleSettings(kind='constant')),
        optimizer=OptimizerSettings(lr=1e-3),
    )
    losses = train(make_distillation(StickPeople(4)), settings, folder).losses
    assert set(losses) == {'stage0_heatmaps_loss', 'stage0_paf_loss', 'features_loss'}
    first, last = losses['features_loss'][0], sum(losses['features_loss'][-2:]) / 2
    assert 0.5 < first / (10 * len(LAYERS)) < 2  # an adapter that knows nothing errs by about the spread
    assert last < 0.7 * first


def test_students_layers_learn_from_the_teacher(folder):
    """With nothing else to learn from: what lies behind the last layer gets no gradient from the features."""
    task = make_distillation(layers=('model.features.3',))
    batch = next(iter(Loader(task.data, EpochSampler(BatchOrder(8, 2, 1, 0)), 0, pinned=False)))
    losses = task.losses(batch)
    plain = make_task().losses(batch)
    for name, value in plain.items():
        torch.testing.assert_close(losses[name], value)
    losses['features_loss'].backward()
    learns = {name.split('.')[0] for name, value in task.network.named_parameters() if value.grad is not None}
    assert learns == {'model'}
    assert all(value.grad is not None for value in task.auxiliary.parameters())


def test_teacher_stays_and_adapters_learn(folder):
    task = make_distillation()
    teacher, adapters = copied(task.teacher.state_dict()), copied(task.auxiliary.state_dict())
    train(task, make_settings(), folder)
    network = task.teacher
    assert same(network.state_dict(), teacher)
    assert not any(module.training for module in network.modules())
    assert not any(value.requires_grad for value in network.parameters())
    changed = task.auxiliary.state_dict()
    assert len(changed) == 4 * len(LAYERS)  # weight, bias, mean, scale
    assert not any(torch.equal(value, adapters[name]) for name, value in changed.items())
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in (*network.modules(), *task.network.modules())
    )


def test_published_checkpoints_are_those_of_a_training_without(folder):
    settings = make_settings(ema_decay=0.5)
    plain = content(train(make_task(), settings, folder / 'plain').checkpoints[-1])
    distilled = content(train(make_distillation(), settings, folder / 'distilled').checkpoints[-1])
    assert distilled.keys() == plain.keys()
    assert list(distilled['state_dict']) == list(plain['state_dict'])
    assert list(distilled['resume']['state_dict']) == list(plain['resume']['state_dict'])
    assert distilled['resume']['callbacks']['moving_average']['weights'].keys() == plain['state_dict'].keys()
    assert plain['resume']['auxiliary'] == {}
    keys = {f'layers.{name.replace(".", "/")}' for name in LAYERS}
    assert {name.rsplit('.', 2 if 'adapter' in name else 1)[0] for name in distilled['resume']['auxiliary']} == keys


def test_adapters_have_a_group_of_their_own(folder):
    last = content(train(make_distillation(), make_settings(max_steps=1), folder).checkpoints[-1])
    plain = content(train(make_task(), make_settings(max_steps=1), folder / 'plain').checkpoints[-1])
    *others, group = last['optimizer']['param_groups']
    assert [each['params'] for each in others] == [each['params'] for each in plain['optimizer']['param_groups']]
    assert group['initial_lr'] == pytest.approx(3 * 4e-5)
    assert group['weight_decay'] == 0
    assert len(group['params']) == 2 * len(LAYERS)


@pytest.mark.parametrize('trainer', [{}, {'ema_decay': 0.9, 'batches_per_iter': 2}], ids=['', 'averaged, accumulating'])
def test_resumed_it_gives_what_one_run_gives(folder, trainer):
    settings = make_settings(max_epochs=3, **{'checkpoint_after': 1} | trainer)
    whole = train(make_distillation(StickPeople(9)), settings, folder / 'whole')
    other = make_distillation(StickPeople(9))
    for parameter in other.auxiliary.parameters():
        nn.init.constant_(parameter, 0.5)  # what it begins with is no matter
    rest = train(other, settings, folder / 'rest', resume=folder / 'whole' / 'checkpoints' / 'checkpoint_iter_3.pth')
    for name, losses in rest.losses.items():
        assert losses == whole.losses[name][3:]
    assert same(whole.network.state_dict(), rest.network.state_dict())
    one, again = (content(result.checkpoints[-1])['resume']['auxiliary'] for result in (whole, rest))
    assert same(one, again)


def test_no_weight_is_a_training_without(folder):
    """Nothing of the distillation reaches the network but by the loss."""
    plain = train(make_task(), make_settings(), folder / 'plain')
    distilled = train(make_distillation(weight=0.0), make_settings(), folder / 'distilled')
    assert same(plain.network.state_dict(), distilled.network.state_dict())


def test_trains_in_mixed_precision(folder):
    losses = train(make_distillation(), make_settings(precision='bf16', max_steps=2), folder / 'bf16').losses
    exact = train(make_distillation(), make_settings(max_steps=2), folder / 'fp32').losses
    assert losses['features_loss'] == pytest.approx(exact['features_loss'], rel=0.05)


def test_teacher_stops_at_the_last_layer():
    teacher = make_teacher()
    ran = []
    for name in ('model.features.3', 'model.features.4', 'cpm', 'initial_stage'):
        teacher.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    features = features_of(teacher, ('model.features.3', 'model.features.1'), torch.zeros(1, 3, 64, 64))
    assert set(features) == {'model.features.1', 'model.features.3'}
    assert ran == ['model.features.3']


def test_features_are_measured_in_their_own_spread():
    features = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 10, 0]).view(3, 1, 1) + 5
    adapter = Adapter(2, 3)
    adapter.measure(features)
    torch.testing.assert_close(adapter.mean, features.mean(dim=(0, 2, 3)))
    floor = 0.05 * features.std(correction=0)
    torch.testing.assert_close(adapter.scale, features.std(dim=(0, 2, 3), correction=0) + floor, rtol=1e-4, atol=1e-4)
    nn.init.zeros_(adapter.adapter.weight)
    nn.init.zeros_(adapter.adapter.bias)
    error = adapter(torch.zeros(4, 2, 8, 8), features)
    assert 0.3 < error < 0.7  # of two channels that vary and one that does not


# --- what goes wrong ---


def test_cannot_resume_with_other_auxiliary_modules(folder):
    """Neither with features from a training without, nor without, nor with other layers or another teacher."""
    plain = train(make_task(), make_settings(max_steps=3), folder / 'plain').checkpoints[0]
    distilled = train(make_distillation(), make_settings(max_steps=3), folder / 'distilled').checkpoints[0]
    first = r'other auxiliary modules \(layers.cpm.adapter.bias is'
    for task, checkpoint, fault in (
        (make_distillation(), plain, rf'{first} missing, expected \(128,\)\); resume with the recipe that it was'),
        (make_task(), distilled, rf'{first} \(128,\), expected no such tensor\); .* \(--start.checkpoint\)'),
        (make_distillation(layers=('model.features.3',)), distilled, rf'{first} \(128,\), expected no such tensor'),
        (
            make_distillation(mobilenetv2_width=0.5),
            distilled,
            r'model/features/3.adapter.bias is \(8,\), expected \(16,\)\)',
        ),
    ):
        with pytest.raises(WeightsError, match=fault):
            train(task, make_settings(), folder / 'other', resume=checkpoint)


def test_checkpoints_of_earlier_versions_resume(folder):
    """They name the adapters' tensors `hints`, and before there were any they did not."""
    path = train(make_task(), make_settings(max_steps=3), folder / 'old').checkpoints[0]
    old = content(path)
    del old['resume']['auxiliary']
    torch.save(old, path)
    assert train(make_task(), make_settings(), folder / 'new', resume=path).iteration == 8
    whole = train(make_distillation(), make_settings(), folder / 'whole')
    distilled = content(whole.checkpoints[0])
    distilled['resume']['hints'] = distilled['resume'].pop('auxiliary')
    torch.save(distilled, whole.checkpoints[0])
    rest = train(make_distillation(), make_settings(), folder / 'rest', resume=whole.checkpoints[0])
    assert same(whole.network.state_dict(), rest.network.state_dict())


@pytest.mark.parametrize(
    ('layers', 'options', 'message'),
    [
        (['model.features.77'], {}, r"77', which does not exist in the student; there are model.features.0, m"),
        (['modle.1'], {}, r"'modle.1', which does not exist in .*; there are model, cpm, initial_stage"),
        (['model.features.9'], {'backbone': 'shufflenet'}, r"9', which .* in the teacher; there are model.conv1, m"),
        (['cpm', 'initial_stage'], {}, r"output is maps .*'initial_stage', which has other outputs in"),
        (['refinement_stages'], {}, r"'refinement_stages', which has other outputs in the student; there are"),
        (['cpm.conv.0'], {}, r"'cpm.conv.0', which the next module overwrites in .*; there are cpm.conv.0, cpm.conv"),
        (
            ['cpm'],
            {'backbone': 'mobilenet', 'use_stride': True},
            r"'cpm' with maps of 4x4 in the teacher and 8x8 in the student for an input of 64x64; name",
        ),
    ],
)  # fmt: skip
def test_layers_that_do_not_go_together(layers, options, message):
    with pytest.raises(SettingsError, match=message):
        make_distillation(layers=layers, **options)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'network': 'a.pth'}, 'must be given together, got the network alone; name the layers'),
        ({'features': ['cpm']}, 'must be given together, got features alone'),
        ({'features_weight': -1.0}, 'teacher.features_weight must be a number, 0 or more, got -1.0'),
        ({'features_weight': float('nan')}, 'teacher.features_weight must be a number, 0 or more, got nan'),
        ({'network': 'a', 'features': ['cpm', 'cpm']}, 'teacher.features must name each layer once, got cpm again'),
    ],
)
def test_settings_that_do_not_go_together(values, message):
    with pytest.raises(SettingsError, match=message):
        TeacherSettings(**values)


def test_teachers_are_read_from_checkpoints(tmp_path):
    teacher, path = make_teacher(), tmp_path / 'teacher.pth'
    torch.save({'state_dict': teacher.state_dict()}, path)
    read = open_feature_teacher(METHOD, path)
    assert same(read.state_dict(), teacher.state_dict())
    students = make_task(), make_task()
    before = copied(students[0].network.state_dict())
    task = FeatureDistillation(students[0], read, LAYERS, 2.0)
    other = FeatureDistillation(students[1], teacher, LAYERS, 1.0)
    assert same(task.network.state_dict(), before)
    other.auxiliary.load_state_dict(task.auxiliary.state_dict())
    batch = next(iter(Loader(task.data, EpochSampler(BatchOrder(8, 2, 1, 0)), 0, pinned=False)))
    twice, once = (each.losses(batch)['features_loss'] for each in (task, other))
    torch.testing.assert_close(twice, 2 * once)


def test_teachers_that_cannot_be_read(tmp_path):
    with pytest.raises(WeightsError, match='does not exist, expected a weights file'):
        open_feature_teacher(METHOD, tmp_path / 'none.pth')
    torch.save({'state_dict': nn.Linear(2, 2).state_dict()}, tmp_path / 'linear.pth')
    with pytest.raises(WeightsError, match='expected a Lightweight OpenPose network, got 2 tensors of another'):
        open_feature_teacher(METHOD, tmp_path / 'linear.pth')
    tensors = make_teacher().state_dict()
    tensors['cpm.conv.0.weight'] = tensors['cpm.conv.0.weight'][:5]
    torch.save({'state_dict': tensors}, tmp_path / 'cut.pth')
    with pytest.raises(WeightsError, match=r'cut.pth: 1 of \d+ tensors'):
        open_feature_teacher(METHOD, tmp_path / 'cut.pth')
