"""Every block of the pages that has no marker runs, in a folder with the files that the pages name."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doc_desk import add_bag, add_baseline, add_datasets, add_higher_hrnet, lay_out
from doc_pages import PAGES, REPOSITORY, blocks_of, name

RUNNER = Path(__file__).with_name('doc_runner.py')
RUNNING = [name(page) for page in PAGES if any(block.runs for block in blocks_of(page))]
QUICK = ['README.md']
NEEDED = ('torch', 'onnx', 'pycocotools', 'lightning', 'rosbags', 'matplotlib')


@pytest.fixture(scope='module')
def small_desk(tmp_path_factory):
    """What needs neither torch nor much time."""
    folder = tmp_path_factory.mktemp('desk') / 'here'
    lay_out(folder)
    return folder


@pytest.fixture(scope='module')
def desk(small_desk, tmp_path_factory):
    for package in NEEDED:
        if not importlib.util.find_spec(package):
            pytest.skip(f'{package} is not installed; the pages show what all extras do')
    folder = tmp_path_factory.mktemp('whole_desk') / 'here'
    shutil.copytree(small_desk, folder, symlinks=True)
    add_datasets(folder)
    add_baseline(folder)
    add_higher_hrnet(folder)
    add_bag(folder)
    return folder


def run(page, desk, tmp_path):
    here = tmp_path / 'here'
    shutil.copytree(desk, here, symlinks=True)
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'HOME': str(tmp_path), 'PYTHONPATH': str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, RUNNER, page], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return here


def test_the_readme_runs(small_desk, tmp_path):
    here = run('README.md', small_desk, tmp_path)
    assert {'street.mp4', 'people.jpg'} <= {path.name for path in (here / 'out').iterdir()}
    assert (here / 'out.json').stat().st_size
    assert (here / 'skeletons.png').stat().st_size


def test_blocks_that_fail_are_named(tmp_path):
    (tmp_path / 'page.md').write_text(
        '```python\nraise ValueError\n```\n\n```bash\npose_estimation infer nowhere.jpg\n```\n\n'
        '```bash\nls nowhere\n```\n\n<!-- not run: fails -->\n```python\nraise ValueError\n```\n\n'
        '```bash\necho well\n```\n'
    )
    code = (
        'import sys; from pathlib import Path; import doc_pages, doc_runner\n'
        'doc_pages.REPOSITORY = Path.cwd()\nsys.exit(doc_runner.run(Path.cwd() / "page.md"))'
    )
    environment = {**os.environ, 'PYTHONPATH': f'{REPOSITORY}{os.pathsep}{RUNNER.parent}'}
    result = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert re.findall(r'^FAILED (.*)$', result.stderr, re.M) == ['page.md:2', 'page.md:6', 'page.md:10']


@pytest.mark.slow
@pytest.mark.parametrize('page', [page for page in RUNNING if page not in QUICK])
def test_pages_run(page, desk, tmp_path):
    run(page, desk, tmp_path)
