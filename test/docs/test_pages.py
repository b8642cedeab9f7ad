"""Links of the pages lead somewhere, their blocks are marked properly, and every command and option exists."""

import ast
import importlib.util
import itertools
import re
import runpy

import pytest
from doc_pages import LINK, PAGES, REPOSITORY, TEMPLATE, anchors_of, blocks_of, name, our_arguments, text_of
from doc_pages import without_assignments as plain

from pose_estimation_ros.apps import cli
from pose_estimation_ros.ros.parameters.node_settings import DEFAULT_METHOD, parameters_of

PARAMETERS = parameters_of(DEFAULT_METHOD)
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = [(f'{block}', words) for block in BLOCKS if block.language == 'bash' for words in block.commands]
OUR_COMMANDS = [(where, found) for where, words in COMMANDS if (found := our_arguments(words)) is not None]
OF_OTHER_PROGRAMS = {'--shm-size'}
"""Options in the text that are not ours."""


def started(*start):
    """Return the commands that begin so, as (place, further words)."""
    commands = [(where, plain(words)) for where, words in COMMANDS]
    return [(where, words[len(start) :]) for where, words in commands if tuple(words[: len(start)]) == start]


# --- links ---


@pytest.mark.parametrize('page', [*PAGES, TEMPLATE], ids=name)
def test_links_lead_to_files_and_headings(page):
    missing = []
    for target, anchor in LINK.findall(text_of(page)):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            missing.append(f'{target}#{anchor}')
    assert missing == []


def test_the_readme_links_to_every_page():
    linked = {(REPOSITORY / target).resolve() for target, _ in LINK.findall(text_of(REPOSITORY / 'README.md'))}
    index = {(REPOSITORY / 'docs/methods' / target).resolve() for page in [REPOSITORY / 'docs/methods/index.md']
             for target, _ in LINK.findall(text_of(page))}  # fmt: skip
    wrappers = {'docs/index.md', 'docs/contributing.md', 'docs/model_card.md', 'docs/experiments.md', 'README.md'}
    assert {name(page) for page in PAGES if page not in linked | index} <= wrappers


def test_the_readme_fits_on_a_screen():
    assert len((REPOSITORY / 'README.md').read_text().splitlines()) <= 100


# --- blocks ---


def test_what_does_not_run_has_a_reason():
    assert [f'{block}' for block in BLOCKS if block.reason == ''] == []


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_markers_stand_before_blocks(page):
    marked = [block for block in blocks_of(page) if block.reason is not None]
    assert text_of(page).count('not run:') == len(marked)
    assert all(block.language in ('bash', 'python') for block in marked)


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_blocks_say_their_language(page):
    assert {block.language for block in blocks_of(page)} <= {'', 'bash', 'python', 'cpp', 'yaml'}


def test_python_blocks_compile_and_import_what_there_is():
    for block in BLOCKS:
        if block.language == 'python':
            for node in ast.walk(ast.parse(block.code, f'{block}')):
                if isinstance(node, ast.ImportFrom) and node.module.startswith('pose_estimation_ros'):
                    assert importlib.util.find_spec(node.module), f'{block}: {node.module}'


# --- commands ---


@pytest.fixture(scope='module')
def parser():
    return cli.make_parser()


def test_every_command_of_ours_is_accepted(parser, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config').symlink_to(REPOSITORY / 'config')
    (recipe,) = [block for block in BLOCKS if block.language == 'yaml']
    (tmp_path / 'fine_tuning.yaml').write_text(recipe.code)
    refused = []
    for where, arguments in OUR_COMMANDS:
        try:
            reader = cli.make_parser(arguments) if arguments[0] == 'train' else parser  # recipes decide its options
            reader.parse_args(arguments)
        except SystemExit as leaving:
            if leaving.code:
                refused.append(f'{where}: {capsys.readouterr().err}')
    assert refused == []
    assert len(OUR_COMMANDS) > 40


def test_options_in_the_text_exist():
    known = OF_OTHER_PROGRAMS | set(options_of_all_commands())
    for page in PAGES:
        named = set(re.findall(r'(?<=[`\s])--[a-z][\w.-]*', ' '.join(re.findall(r'`[^`\n]+`', text_of(page)))))
        assert named - known == set(), name(page)


def test_fields_of_recipes_in_the_text_exist():
    known = set(options_of_all_commands())
    sections = {option.partition('.')[0] for option in known if '.' in option} - {'--data'}
    for page in PAGES:
        fields = {f'--{field}' for field in re.findall(r'`(\w+\.\w+)[:`]', text_of(page))}
        assert {field for field in fields if field.partition('.')[0] in sections} - known == set(), name(page)
    assert len(sections) > 6


def options_of_all_commands():
    for command in cli.COMMANDS:
        part = cli.Parser(prog=command)
        importlib.import_module(f'pose_estimation_ros.apps.commands.{command}').add_arguments(part)
        yield from (option for action in part._actions for option in action.option_strings)
    yield from ('--help', '--version', '--verbose')


def test_launch_files_and_their_arguments_exist():
    launched = started('ros2', 'launch', 'pose_estimation_ros')
    assert len(launched) > 4
    own = {path.name: launch_arguments(path) for path in (REPOSITORY / 'launch').glob('*.launch.py')}
    for where, (file, *settings) in launched:
        known = own[file] | own['pose_estimation.launch.py']
        given = {word.partition(':=')[0] for word in settings if ':=' in word}
        assert given <= known, where


def launch_arguments(path):
    (table,) = [
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'ARGUMENTS'
    ]
    return {key.value for key in table.keys}


def test_nodes_and_their_parameters_exist():
    for where, (module, *arguments) in started('python', '-m'):
        assert importlib.util.find_spec(module), where
        if module.endswith('pose_node'):
            names = {word.partition(':=')[0] for before, word in itertools.pairwise(arguments) if before == '-p'}
            assert names <= set(PARAMETERS), where
    for where, (node, parameter, *_) in started('ros2', 'param', 'set'):
        assert node == '/pose_node'
        assert PARAMETERS[parameter].live, where
    programs = {'echo', 'pose_estimation', 'pose_node', 'camera_node'}
    assert {words[0] for _, words in started('ros2', 'run', 'pose_estimation_ros')} <= programs


def test_make_has_the_targets():
    targets = set(re.findall(r'^(\w+):', (REPOSITORY / 'Makefile').read_text(), re.M))
    assert {words[0] for _, words in started('make')} <= targets


def test_scripts_and_their_options_exist():
    scripts = [(where, words) for where, words in started('python') if words[0].endswith('.py')]
    assert scripts
    for where, (script, *arguments) in scripts:
        text = (REPOSITORY / script).read_text()
        assert [
            word for word in arguments if word.startswith('--') and not re.search(rf'\b{word[2:]}\b', text)
        ] == [], where


def test_extras_exist(monkeypatch):
    import setuptools

    arguments = {}
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(setuptools, 'setup', lambda **given: arguments.update(given))
    runpy.run_path('setup.py')
    text = '\n'.join(page.read_text() for page in PAGES)
    named = {
        extra for group in re.findall(r"'(?:\.|pose_estimation_ros)\[([\w,]+)\]'", text) for extra in group.split(',')
    }
    assert len(named) > 5
    assert named <= set(arguments['extras_require'])


# --- what CONTRIBUTING.md says of the code ---


def test_the_paths_that_contributing_names_exist():
    named = re.findall(r'`([\w.<>*/-]+/[\w.<>*/-]*|[\w/]+\.\w+)`', text_of(REPOSITORY / 'CONTRIBUTING.md'))
    paths = {path for path in named if '<' not in path and not path.startswith(('build/', '.', 'best'))}
    assert len(paths) > 20
    places = (
        REPOSITORY,
        REPOSITORY / 'pose_estimation_ros',
        REPOSITORY / 'pose_estimation_ros/methods/simple_baseline',
    )
    assert {path for path in paths if not any((place / path).exists() for place in places)} == set()


# --- what troubleshooting.md quotes ---


def test_the_messages_that_troubleshooting_quotes_exist():
    sources = '\n'.join(path.read_text() for path in (REPOSITORY / 'pose_estimation_ros').rglob('*.py'))
    sources = re.sub(r"'\n\s*f?'", '', sources)
    spans = re.findall(r'`([^`\n]+)`', text_of(REPOSITORY / 'docs' / 'troubleshooting.md'))
    commands = re.compile(r'(ros2|pip|python|apt|make) |--|\w+: (true|false|flow|auto|compressed)$')
    quoted = [span for span in spans if ' ' in span and not commands.match(span)]
    parts = [part.strip(' ,:;') for span in quoted for part in span.split('...')]
    assert len(quoted) > 12
    assert [part for part in parts if part not in sources] == []
