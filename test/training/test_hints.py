"""Learning a teacher's layers: what is trained, what is written, what is refused."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.learners.teaching import hinted_subject
from pose_estimation_ros.training.distillation.hints import Hint, Hints, Teacher
from pose_estimation_ros.training.recipe import Recipe, TeacherSettings
from pose_estimation_ros.training.run import train
from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings
from test.training.conftest import LAYERS, METHOD, StickPeople, make_hinted, make_settings, make_subject, make_teacher


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
    losses = train(make_hinted(StickPeople(4)), settings, folder).losses
    assert set(losses) == {'stage0_heatmaps_loss', 'stage0_paf_loss', 'features_loss'}
    first, last = losses['features_loss'][0], sum(losses['features_loss'][-2:]) / 2
    assert 0.5 < first / (10 * len(LAYERS)) < 2  # an adapter that knows nothing errs by about the spread
    assert last < 0.7 * first


def test_students_layers_learn_from_the_teacher(folder):
    """With nothing else to learn from: what lies behind the last layer gets no gradient from the features."""
    subject = make_hinted(layers=('model.features.3',))
    outputs, parts = subject.hints(subject.network, torch.rand(2, 3, 64, 64))
    parts['features_loss'].backward()
    learns = {name.split('.')[0] for name, value in subject.network.named_parameters() if value.grad is not None}
    assert learns == {'model'}
    assert all(value.grad is not None for value in subject.hints.parameters())
    plain = make_subject().network(torch.rand(2, 3, 64, 64))
    assert [output.shape for output in outputs] == [output.shape for output in plain]


def test_teacher_stays_and_adapters_learn(folder):
    subject = make_hinted()
    teacher, adapters = copied(subject.hints.teacher.network.state_dict()), copied(subject.hints.state_dict())
    train(subject, make_settings(), folder)
    network = subject.hints.teacher.network
    assert same(network.state_dict(), teacher)
    assert not any(module.training for module in network.modules())
    assert not any(value.requires_grad for value in network.parameters())
    changed = subject.hints.state_dict()
    assert len(changed) == 4 * len(LAYERS)  # weight, bias, mean, scale
    assert not any(torch.equal(value, adapters[name]) for name, value in changed.items())
    assert not any(module._forward_hooks for module in (*network.modules(), *subject.network.modules()))


def test_published_checkpoints_are_those_of_a_training_without(folder):
    settings = make_settings(ema_decay=0.5)
    plain = content(train(make_subject(), settings, folder / 'plain').checkpoints[-1])
    hinted = content(train(make_hinted(), settings, folder / 'hinted').checkpoints[-1])
    assert hinted.keys() == plain.keys()
    assert list(hinted['state_dict']) == list(plain['state_dict'])
    assert list(hinted['resume']['state_dict']) == list(plain['resume']['state_dict'])
    assert hinted['resume']['callbacks']['moving_average']['weights'].keys() == plain['state_dict'].keys()
    assert plain['resume']['hints'] == {}
    keys = {f'layers.{name.replace(".", "/")}' for name in LAYERS}
    assert {name.rsplit('.', 2 if 'adapter' in name else 1)[0] for name in hinted['resume']['hints']} == keys


def test_adapters_have_a_group_of_their_own(folder):
    last = content(train(make_hinted(), make_settings(max_steps=1), folder).checkpoints[-1])
    plain = content(train(make_subject(), make_settings(max_steps=1), folder / 'plain').checkpoints[-1])
    *others, group = last['optimizer']['param_groups']
    assert [each['params'] for each in others] == [each['params'] for each in plain['optimizer']['param_groups']]
    assert group['initial_lr'] == pytest.approx(3 * 4e-5)
    assert group['weight_decay'] == 0
    assert len(group['params']) == 2 * len(LAYERS)


@pytest.mark.parametrize('trainer', [{}, {'ema_decay': 0.9, 'batches_per_iter': 2}], ids=['', 'averaged, accumulating'])
def test_going_on_gives_what_one_run_gives(folder, trainer):
    settings = make_settings(max_epochs=3, **{'checkpoint_after': 1} | trainer)
    whole = train(make_hinted(StickPeople(9)), settings, folder / 'whole')
    other = make_hinted(StickPeople(9))
    for parameter in other.hints.parameters():
        nn.init.constant_(parameter, 0.5)  # what it begins with is no matter
    rest = train(other, settings, folder / 'rest', resume=folder / 'whole' / 'checkpoints' / 'checkpoint_iter_3.pth')
    for name, losses in rest.losses.items():
        assert losses == whole.losses[name][3:]
    assert same(whole.network.state_dict(), rest.network.state_dict())
    one, again = (content(result.checkpoints[-1])['resume']['hints'] for result in (whole, rest))
    assert same(one, again)


def test_no_weight_is_a_training_without(folder):
    """Of the network; no hidden way leads from the hints to it."""
    plain = train(make_subject(), make_settings(), folder / 'plain')
    hinted = train(make_hinted(weight=0.0), make_settings(), folder / 'hinted')
    assert same(plain.network.state_dict(), hinted.network.state_dict())


def test_trains_in_mixed_precision(folder):
    losses = train(make_hinted(), make_settings(precision='bf16', max_steps=2), folder / 'bf16').losses
    exact = train(make_hinted(), make_settings(max_steps=2), folder / 'fp32').losses
    assert losses['features_loss'] == pytest.approx(exact['features_loss'], rel=0.05)


def test_teacher_stops_at_the_last_layer():
    teacher = make_teacher()
    ran = []
    for name in ('model.features.3', 'model.features.4', 'cpm', 'initial_stage'):
        teacher.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    features = Teacher(teacher, ('model.features.3', 'model.features.1'))(torch.zeros(1, 3, 64, 64))
    assert set(features) == {'model.features.1', 'model.features.3'}
    assert ran == ['model.features.3']


def test_features_are_measured_in_their_own_spread():
    features = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 10, 0]).view(3, 1, 1) + 5
    hint = Hint(2, 3)
    hint.measure(features)
    torch.testing.assert_close(hint.mean, features.mean(dim=(0, 2, 3)))
    floor = 0.05 * features.std(correction=0)
    torch.testing.assert_close(hint.scale, features.std(dim=(0, 2, 3), correction=0) + floor, rtol=1e-4, atol=1e-4)
    nn.init.zeros_(hint.adapter.weight)
    nn.init.zeros_(hint.adapter.bias)
    error = hint(torch.zeros(4, 2, 8, 8), features)
    assert 0.3 < error < 0.7  # of two channels that vary and one that does not


# --- what goes wrong ---


def test_a_checkpoint_without_hints_is_no_way_on_with_them(folder):
    plain = train(make_subject(), make_settings(max_steps=3), folder / 'plain').checkpoints[0]
    expected = r"learns no teacher's features, this one .* at model.features.1, model.features.3, cpm; go on with"
    with pytest.raises(WeightsError, match=expected):
        train(make_hinted(), make_settings(), folder / 'hinted', resume=plain)


def test_a_checkpoint_with_hints_is_no_way_on_without_or_with_others(folder):
    hinted = train(make_hinted(), make_settings(max_steps=3), folder / 'hinted').checkpoints[0]
    with pytest.raises(
        WeightsError, match=r"at model.features.1, model.features.3, cpm, this one no teacher's features; .*start\."
    ):
        train(make_subject(), make_settings(), folder / 'plain', resume=hinted)
    with pytest.raises(
        WeightsError, match=r'at model.features.1, model.features.3, cpm, this one .* at model.features.3; go on'
    ):
        train(make_hinted(layers=('model.features.3',)), make_settings(), folder / 'other', resume=hinted)
    with pytest.raises(
        WeightsError, match=r'at model.features.3 .* teacher has 8 channels and its network 8, got 16 and 8; .*'
    ):
        train(make_hinted(mobilenetv2_width=0.5), make_settings(), folder / 'wider', resume=hinted)


def test_a_checkpoint_from_before_there_were_hints_goes_on(folder):
    path = train(make_subject(), make_settings(max_steps=3), folder / 'old').checkpoints[0]
    old = content(path)
    del old['resume']['hints']
    torch.save(old, path)
    assert train(make_subject(), make_settings(), folder / 'new', resume=path).iteration == 8


@pytest.mark.parametrize(
    ('layers', 'options', 'message'),
    [
        (['model.features.77'], {}, r"77', which the network that learns lacks; there are model.features.0, m"),
        (['modle.1'], {}, r"'modle.1', which .* lacks; there are model, cpm, initial_stage"),
        (['model.features.9'], {'backbone': 'shufflenet'}, r"9', which the teacher lacks; there are model.conv1, m"),
        (['cpm', 'initial_stage'], {}, r"must name modules that give maps .*'initial_stage', which gives none in"),
        (['refinement_stages'], {}, r"'refinement_stages', which gives none in the network that learns; there are"),
        (['cpm.conv.0'], {}, r"'cpm.conv.0', which the module after it overwrites in .*; name that one"),
        (
            ['cpm'],
            {'backbone': 'mobilenet', 'use_stride': True},
            r"'cpm' with maps of 4x4 in the teacher and 8x8 in the network that learns, for a picture of 64x64; name",
        ),
    ],
)  # fmt: skip
def test_layers_that_do_not_go_together(layers, options, message):
    with pytest.raises(SettingsError, match=message):
        make_hinted(layers=layers, **options)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'network': 'a.pth'}, 'must be given together, got the network alone; name the layers'),
        ({'features': ['cpm']}, 'must be given together, got features alone'),
        ({'features_weight': -1.0}, 'teacher.features_weight must be 0 or more, got -1.0'),
        ({'features_weight': float('nan')}, 'teacher.features_weight must be 0 or more, got nan'),
        ({'network': 'a', 'features': ['cpm', 'cpm']}, 'teacher.features must name each layer once, got cpm again'),
    ],
)
def test_settings_that_do_not_go_together(values, message):
    with pytest.raises(SettingsError, match=message):
        TeacherSettings(**values)


def test_teachers_are_read_from_checkpoints(tmp_path):
    subject, teacher, path = make_subject(), make_teacher(), tmp_path / 'teacher.pth'
    torch.save({'state_dict': teacher.state_dict()}, path)
    recipe = Recipe(teacher=TeacherSettings(network=str(path), features=list(LAYERS), features_weight=2.0))
    before = copied(subject.network.state_dict())
    hints = hinted_subject(subject, recipe).hints
    assert same(hints.teacher.network.state_dict(), teacher.state_dict())
    assert same(subject.network.state_dict(), before)
    one, other = Hints(subject.network, teacher, LAYERS, 1.0), hints
    other.load_state_dict(one.state_dict())
    inputs = torch.rand(2, 3, 64, 64)
    parts = [each(subject.network.eval(), inputs)[1]['features_loss'] for each in (one, other)]
    torch.testing.assert_close(parts[1], 2 * parts[0])


def test_teachers_that_cannot_be_read(tmp_path):
    def reading(path):
        asked = TeacherSettings(network=str(path), features=['cpm'])
        return hinted_subject(SimpleNamespace(method=METHOD), Recipe(teacher=asked))

    with pytest.raises(WeightsError, match='does not exist, expected a weights file'):
        reading(tmp_path / 'none.pth')
    torch.save({'state_dict': nn.Linear(2, 2).state_dict()}, tmp_path / 'linear.pth')
    with pytest.raises(WeightsError, match='expected a Lightweight OpenPose network, got 2 tensors of another'):
        reading(tmp_path / 'linear.pth')
    tensors = make_teacher().state_dict()
    tensors['cpm.conv.0.weight'] = tensors['cpm.conv.0.weight'][:5]
    torch.save({'state_dict': tensors}, tmp_path / 'cut.pth')
    with pytest.raises(WeightsError, match=r'cut.pth: 1 of \d+ tensors'):
        reading(tmp_path / 'cut.pth')
