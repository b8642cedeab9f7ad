"""Sphinx settings for `make docs`."""

import re
from pathlib import Path
from xml.etree import ElementTree

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'MODEL_CARD.md': 'model_card.md',
    'CHANGELOG.rst': 'changelog.rst',
}
"""File at the top of the repository -> the page that includes it."""
LINK = re.compile(r'\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)')
"""Target and anchor of a Markdown link to a file."""

project = 'pose_estimation_ros'
author = 'pose_estimation_ros maintainers'
copyright = author  # noqa: A001  the name that Sphinx reads
release = version = ElementTree.parse(ROOT / 'package.xml').findtext('version', '')

extensions = ['myst_parser']
exclude_patterns = ['methods/template.md']
myst_heading_anchors = 3
nitpicky = True
smartquotes = False
html_theme = 'furo'
html_title = f'{project} {release}'
html_static_path = ['_static']
html_css_files = ['wide.css']
html_copy_source = False
html_show_sphinx = False


def from_top(link: re.Match[str]) -> str:
    """Return a link of a file at the top of the repository as a page in docs/ has it."""
    target = PAGES.get(link[1], f'../{link[1]}'.removeprefix('../docs/'))
    return f']({target}{link[2] or ""})'


def from_page(link: re.Match[str]) -> str:
    """Return a link of a page with the page of an included file in the place of the file."""
    folders, _, name = link[1].rpartition('../')
    return f']({folders}{PAGES[name]}{link[2] or ""})' if name in PAGES else link[0]


def setup(app: Sphinx) -> None:
    """Make links between the pages and the files at the top of the repository lead to pages."""

    def on_include(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
        content[0] = LINK.sub(from_top, content[0])

    def on_page(app: Sphinx, name: str, content: list[str]) -> None:
        content[0] = LINK.sub(from_page, content[0])

    app.connect('include-read', on_include)
    app.connect('source-read', on_page)
