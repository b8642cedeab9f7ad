"""`make docs` builds without a warning, and the pages load nothing from other hosts."""

import re
import subprocess
import sys

import pytest
from doc_pages import PAGES, REPOSITORY, name

pytest.importorskip('sphinx', reason='needs the extra [docs]')
LOADED = re.compile(r'<(?:script|img|iframe|source|link)[^>]* (?:src|href)="(?:\w+:)?//[^"]*"')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    command = [
        sys.executable,
        '-m',
        'sphinx',
        '-W',
        '--keep-going',
        '-q',
        '-n',
        '-b',
        'html',
        '-d',
        folder / 'doctrees',
    ]
    result = subprocess.run(
        [*command, REPOSITORY / 'docs', folder / 'html'], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder / 'html'


def test_every_page_is_built(site):
    pages = {name(page).removeprefix('docs/') for page in PAGES if page.parent != REPOSITORY}
    assert {page for page in pages if not (site / page).with_suffix('.html').is_file()} == set()
    assert (site / 'changelog.html').is_file()


def test_markers_are_not_shown(site):
    pages = {path: re.sub(r'<!--.*?-->', '', path.read_text()) for path in site.rglob('*.html')}
    assert {path.name for path, text in pages.items() if 'not run:' in text} == {'contributing.html'}  # explains them


def test_included_files_link_to_pages(site):
    text = (site / 'index.html').read_text()
    assert 'href="model_card.html"' in text
    assert 'href="robot.html"' in text
    assert '_images/demo.webp' in text


def test_nothing_comes_from_other_hosts(site):
    found = [(path.name, match[0]) for path in site.rglob('*.html') for match in LOADED.finditer(path.read_text())]
    assert found == []


def test_a_broken_link_is_an_error(tmp_path):
    for path in ('conf.py', '_static/wide.css'):
        (tmp_path / 'docs' / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / 'docs' / path).write_text((REPOSITORY / 'docs' / path).read_text())
    (tmp_path / 'package.xml').write_text('<package><version>1.0.0</version></package>')
    (tmp_path / 'docs' / 'index.md').write_text('# Title\n\n[there](#title), [elsewhere](#nowhere), [away](gone.md)\n')
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-n', '-b', 'html', 'docs', 'html']
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert re.findall(r'index.md:3: WARNING: .*?\'?(nowhere|gone.md)', result.stderr) == ['nowhere', 'gone.md']
