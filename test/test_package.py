"""What the packaging files say is true, and says the same in each of them."""

import importlib
import os
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = 'pose_estimation_ros'


@pytest.fixture
def settings(monkeypatch):
    """The arguments that setup.py calls setup() with."""
    arguments = {}
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(setuptools, 'setup', lambda **given: arguments.update(given))
    runpy.run_path('setup.py')
    return arguments


@pytest.fixture
def manifest():
    return xml.etree.ElementTree.parse(REPOSITORY / 'package.xml').getroot()


def requirements(name: str) -> dict[str, Requirement]:
    lines = (line.partition('#')[0].strip() for line in (REPOSITORY / 'requirements' / name).read_text().splitlines())
    return {key(item.name): item for item in map(Requirement, filter(None, lines))}


def key(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def version_of(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version


def test_setup_py_says_its_version(settings):
    command = [sys.executable, 'setup.py', '--version']
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.split()[-1] == settings['version']


def test_version_is_the_same_everywhere(settings, manifest):
    released = re.findall(r'^(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$', (REPOSITORY / 'CHANGELOG.rst').read_text(), re.M)
    assert manifest.findtext('version') == settings['version'] == released[0]


def test_names_and_licence_agree(settings, manifest):
    assert settings['name'] == manifest.findtext('name') == NAME
    assert settings['license'] == manifest.findtext('license')
    assert settings['maintainer_email'] == manifest.find('maintainer').get('email')
    assert 'Apache License' in (REPOSITORY / manifest.find('license').get('file')).read_text()


def test_package_xml_is_valid():
    package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    parsed = package.parse_package(str(REPOSITORY), warnings=warnings)
    assert warnings == []
    assert parsed.package_format == 3
    assert parsed.get_build_type() == 'ament_python'


def test_data_files_exist_and_none_is_forgotten(settings):
    listed = dict(settings['data_files'])
    files = [name for names in listed.values() for name in names]
    assert [name for name in files if not (REPOSITORY / name).is_file()] == []
    assert listed['share/ament_index/resource_index/packages'] == [f'resource/{NAME}']
    assert 'package.xml' in listed[f'share/{NAME}']
    for folder in ('launch', 'config'):
        there = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / folder).glob('*') if path.is_file()}
        assert there <= set(listed.get(f'share/{NAME}/{folder}', []))


def test_every_folder_of_modules_is_a_package(settings):
    folders = {path.parent.relative_to(REPOSITORY) for path in (REPOSITORY / NAME).rglob('*.py')}
    assert set(settings['packages']) == {'.'.join(folder.parts) for folder in folders}


def test_commands_lead_to_functions(settings):
    for line in settings['entry_points']['console_scripts']:
        module, function = line.partition('=')[2].strip().split(':')
        assert callable(getattr(importlib.import_module(module), function))


def test_extras(settings):
    extras = settings['extras_require']
    assert any(Requirement(item).name == 'pytest' for item in extras['test']), 'colcon would find no tests'
    wanted = {item for name, items in extras.items() if name not in ('all', 'docs', 'test') for item in items}
    assert set(extras['all']) == wanted


def test_pins_lie_in_the_accepted_ranges_and_in_the_lock(settings):
    pins, lock = requirements('pins.txt'), requirements('lock.txt')
    assert {name: version_of(lock[name]) for name in pins} == {name: version_of(pin) for name, pin in pins.items()}
    extras = (item for items in settings['extras_require'].values() for item in items)
    for wanted in map(Requirement, [*settings['install_requires'], *extras]):
        assert version_of(pins[key(wanted.name)]) in wanted.specifier, wanted


def test_no_registry_is_named():
    names = ['Makefile', 'setup.py', '.ci/run', *(p for part in ('requirements', 'scripts') for p in files_in(part))]
    for name in names:
        assert not re.search(r'index-url|find-links|https?://', (REPOSITORY / name).read_text()), name


def files_in(folder: str) -> list[Path]:
    return [path for path in (REPOSITORY / folder).iterdir() if path.is_file()]


def test_make_passes_weights_on():
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('MAKE', 'MFLAGS'))}
    for target, weights, expected in [
        ('demo', 'my weights.pth', f'{NAME} demo --output build/demo --weights "my weights.pth"'),
        ('demo', '', f'{NAME} demo --output build/demo'),
        ('bench', 'w.onnx', f'{NAME} benchmark --output build/bench --weights "w.onnx"'),
    ]:
        command = ['make', '--dry-run', target, f'WEIGHTS={weights}']
        result = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        assert result.stdout.replace("'", '"').splitlines()[-1].strip().endswith(expected)


@pytest.mark.parametrize(
    ('script', 'complaint'),
    [
        ('exit 1', 'no working Python found'),
        ('case "$*" in *"(3, 11)"*) exit 1;; *version_info*) echo 3.9;; esac', 'is Python 3.9'),
        ('case "$*" in *ensurepip*) exit 1;; *"%d"*) echo 3.12;; esac', 'apt install python3.12-venv'),
    ],
    ids=['broken', 'old', 'no-venv'],
)
def test_make_env_says_what_is_missing(tmp_path, script, complaint):
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\n{script}\n')
    python.chmod(0o755)
    result = subprocess.run(
        [REPOSITORY / 'scripts' / 'make_env.sh', tmp_path / 'venv'],
        env={**os.environ, 'PYTHON': str(python)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith('make env: ')
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_pip_installs_everything(tmp_path, copy_tree):
    source, site = copy_tree(tmp_path / 'source'), tmp_path / 'site'
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps', '--no-build-isolation']
    subprocess.run([*pip, '--target', site, source], check=True, timeout=300)
    wanted = {path.relative_to(source) for path in (source / NAME).rglob('*') if path.is_file()}
    assert {path for path in wanted if not (site / path).is_file()} == set()
    assert (site / NAME / 'py.typed').is_file()
    assert (site / 'share' / NAME / 'package.xml').is_file()
    assert (site / 'share' / 'ament_index' / 'resource_index' / 'packages' / NAME).is_file()
    environment = {**os.environ, 'PYTHONPATH': str(site)}
    code = f'import {NAME}; {NAME}.Image; print({NAME}.__file__)'
    result = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(result.stdout.strip()) == site / NAME / '__init__.py'
