import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pose_estimation_ros.apps import cli as command_line
from pose_estimation_ros.apps.cli import COMMANDS
from pose_estimation_ros.models import embedded

HEAVY = ('torch', 'onnxruntime', 'openvino', 'matplotlib')
PRINT_HEAVY = f'import sys; print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)'

ARGUMENTS = {
    'infer': ['picture.png'],
    'evaluate': ['--dataset', 'coco'],
    'export': ['model.onnx'],
    'benchmark': [],
    'download': ['pretrained'],
    'prepare': ['coco'],
    'train': [],
    'demo': [],
    'classify': ['picture.png', '--weights', 'classifier.pth'],
    'bag': ['ride', '--output', 'poses'],
}
"""What each command must be given."""


def test_arguments_above_are_those_of_all_commands():
    assert ARGUMENTS.keys() == COMMANDS.keys()


def options_of(command):
    parsers = command_line.make_parser()._subcommands_action._name_parser_map
    return [action for action in parsers[command]._actions if action.dest not in ('help', 'config')]


@pytest.mark.parametrize('command', COMMANDS)
class TestEveryCommand:
    def test_explains_itself(self, cli, command):
        outcome = cli(command, '--help')
        assert outcome.code == 0
        assert outcome.out.startswith('usage: ')
        assert command in outcome.out.partition('\n')[0]
        first = COMMANDS[command].split(',')[0]
        assert first.lower() in ' '.join(outcome.out.split()).lower()
        assert outcome.err == ''

    def test_says_what_each_option_is_for(self, cli, command):
        page = ' '.join(cli(command, '--help').out.split())
        for action in options_of(command):
            assert action.help, f'{action.dest} of {command} has no help'
            words = action.help.replace('%%', '%').split('%')[0].split()
            assert ' '.join(words[:4]) in page, action.dest

    def test_shows_names_and_ranges_but_no_types_of_python(self, cli, command):
        page = cli(command, '--help').out
        assert not re.findall(
            r'type:|[|:] null|Literal|Optional|<class|PositiveInt|_to_\d|default: (?:None|False|True)', page
        )
        assert not re.findall(r'--height HEIGHT|--stride STRIDE|--limit LIMIT', page)
        if command not in ('classify', 'download', 'prepare', 'train'):
            height = re.search(r'--height N +(.*?)\n +--', page, re.DOTALL)
            assert '[32 to 4320; default: 256; higher_hrnet: 512; only lightweight_openpose, higher_hrnet]' in ' '.join(
                height[1].split()
            )
            assert '{8,16}' in page

    def test_knows_no_other_options(self, cli, command):
        sentence = cli(command, *ARGUMENTS[command], '--colour', 'red').sentence()
        assert '--colour' in sentence

    def test_wants_a_value_where_one_belongs(self, cli, command):
        last = next(
            action for action in reversed(options_of(command)) if action.option_strings and action.nargs is None
        )
        sentence = cli(command, *ARGUMENTS[command], last.option_strings[0]).sentence()
        assert last.option_strings[0] in sentence

    def test_refuses_values_of_the_wrong_type(self, cli, command):
        """Whatever takes a number or one of some words refuses a bird."""
        for action in options_of(command):
            name = str(getattr(action, '_typehint', ''))
            if not any(kind in name for kind in ('Int', 'Float', 'Interval', 'Literal')):
                continue
            bird = [*action.option_strings[:1], 'sparrow']
            others = [] if not action.option_strings else ARGUMENTS[command]
            sentence = cli(command, *others, *bird).sentence()
            called = action.option_strings[0] if action.option_strings else action.dest.upper()
            assert sentence.startswith(f'pose_estimation: {called} must be ')
            assert "got 'sparrow' (try --help)" in sentence
            assert 'Parser key' not in sentence


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['infer', 'a', '--height', '0'], "--height must be a whole number from 32 to 4320, got '0'"),
        (['infer', 'a', '--threads', '-1'], "--threads must be a whole number, 0 or more, got '-1'"),
        (['infer', 'a', '--upsample-ratio', '0'], "--upsample-ratio must be a whole number from 1 to 16, got '0'"),
        (['infer', 'a', '--keypoint-threshold', '7'], "--keypoint-threshold must be a number from 0 to 1, got '7'"),
        (['infer', 'a', '--keypoint-threshold', 'nan'], "--keypoint-threshold must be a number from 0 to 1, got 'nan'"),
        (['infer', 'a', '--stride', '4'], "--stride must be one of 8, 16, got '4'"),
        (['export', 'a', '--to', 'int4'], "--to must be one of fp32, fp16, int8, got 'int4'"),
        (['benchmark', '--people', '3', '0'], "--people must be a whole number above 0, got '0'"),
        (['benchmark', '--frames', '2.5'], "--frames must be a whole number above 0, got '2.5'"),
        (['demo', '--seconds', '-1'], "--seconds must be a number above 0, got '-1'"),
        (['demo', '--seed', '-1'], "--seed must be a whole number, 0 or more, got '-1'"),
        (['download', 'everything'], "WHAT must be one of pretrained, weights, test_data, detector, got 'everything'"),
        (['infer'], 'SOURCE is missing'),
    ],
)
def test_says_in_words_what_is_wrong(cli, arguments, expected):
    assert cli(*arguments).sentence() == f'pose_estimation: {expected} (try --help)'


@pytest.mark.parametrize('command', [command for command in ARGUMENTS if ARGUMENTS[command]])
def test_says_what_is_missing(cli, command):
    sentence = cli(command).sentence()
    missing = re.fullmatch(r'pose_estimation: ([A-Z]+|--[a-z]+) is missing \(try --help\)', sentence)
    assert missing
    assert missing[1].lower() in cli(command, '--help').out.lower()


def test_unknown_command(cli):
    sentence = cli('dance').sentence()
    assert 'dance' in sentence
    assert all(command in sentence for command in COMMANDS)


def test_no_command(cli):
    sentence = cli().sentence()
    assert all(command in sentence for command in COMMANDS)


def test_help_names_every_command(cli):
    outcome = cli('--help')
    assert outcome.code == 0
    page = ' '.join(outcome.out.split())
    for command, purpose in COMMANDS.items():
        assert f'{command} ' in page
        assert purpose in page


@pytest.mark.parametrize('command', ['infer', 'export', 'benchmark', 'demo'])
def test_an_installation_without_its_own_weights_says_so(cli, picture, command, monkeypatch, tmp_path):
    monkeypatch.setattr(embedded, 'FOLDER', tmp_path / 'absent')
    arguments = [picture] if command == 'infer' else ARGUMENTS[command]
    assert 'is missing from this installation; install the package again' in cli(command, *arguments).sentence()


def test_version_is_that_of_the_manifest(cli, request):
    manifest = request.config.rootpath / 'package.xml'
    outcome = cli('--version')
    assert outcome.code == 0
    assert outcome.out.strip() == ElementTree.parse(manifest).findtext('version')


def test_the_module_runs(spawn):
    outcome = spawn('infer')
    assert 'SOURCE is missing' in outcome.sentence()


@pytest.mark.parametrize(
    'code',
    [
        'import pose_estimation_ros.apps.cli',
        'from pose_estimation_ros.apps.cli import main; import contextlib, io\n'
        'for command in ([], ["infer"], ["export"], ["benchmark"], ["download"], ["demo"]):\n'
        '    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n'
        "        main([*command, '--help'])",
    ],
    ids=['import', 'help'],
)
def test_starts_without_heavy_packages(spawn, code):
    assert spawn(code=f'{code}\n{PRINT_HEAVY}').err.strip() == '[]'


class TestStreams:
    """Where output goes, and what happens when it cannot."""

    def test_nobody_reads_on(self, start, picture, seeing):
        """`pose_estimation infer ... | true` still writes its results."""
        reading, writing = os.pipe()
        os.close(reading)
        process = start('infer', picture, picture, '--json', 'poses.json', *seeing, stdout=writing)
        os.close(writing)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert 'Traceback' not in err
        assert 'Exception ignored' not in err
        assert len(json.loads(Path('poses.json').read_text())['frames']) == 2

    def test_nobody_reads_the_help(self, start):
        reading, writing = os.pipe()
        os.close(reading)
        process = start('infer', '--help', stdout=writing)
        os.close(writing)
        assert process.communicate(timeout=60)[1] == ''
        assert process.returncode == 0

    def test_no_stdout_at_all(self, spawn, picture, seeing):
        outcome = spawn('infer', picture, '--json', 'poses.json', *seeing, stdout=None, preexec_fn=lambda: os.close(1))
        assert outcome.code == 0, outcome
        assert outcome.complaints == []
        assert Path('poses.json').exists()

    def test_no_stderr_at_all(self, spawn, picture, seeing):
        outcome = spawn('infer', picture, '--json', 'poses.json', *seeing, stderr=None, preexec_fn=lambda: os.close(2))
        assert outcome.code == 0, outcome
        assert Path('poses.json').exists()

    @pytest.mark.skipif(not Path('/dev/full').is_char_device(), reason='no /dev/full here')
    @pytest.mark.parametrize('command', [['infer'], ['--help']])
    def test_full_disk_behind_stdout(self, spawn, picture, seeing, command):
        arguments = [*command, picture, *seeing] if command == ['infer'] else command
        with Path('/dev/full').open('w') as full:
            sentence = spawn(*arguments, stdout=full).sentence()
        assert sentence == 'pose_estimation: cannot write to standard output: No space left on device'

    def test_notes_leave_progress_bars_whole(self, cli, tmp_path, walking, record, seeing):
        whole = record(tmp_path / 'whole.avi', walking * 3, codec='MJPG').read_bytes()
        cut = tmp_path / 'cut.avi'
        cut.write_bytes(whole[: len(whole) // 2])
        outcome = cli('infer', cut, *seeing)
        assert outcome.code == 0
        assert len(outcome.complaints) == 1
        assert re.fullmatch(r'pose_estimation: .*cut.avi breaks off after \d+ of 36 frames', outcome.complaints[0])


def test_interrupted_while_loading(start):
    """Ctrl-C says so in a word, whenever it comes once the command line is up."""
    code = (
        'import os, signal, sys\n'
        'from pose_estimation_ros.apps import cli\n'
        'from pose_estimation_ros.apps.commands import download\n'
        'download.run = lambda settings: os.kill(os.getpid(), signal.SIGINT)\n'
        "sys.exit(cli.main(['download', 'pretrained']))"
    )
    process = start(code=code)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.split() == ['pose_estimation:', 'interrupted']
