"""The pages of the documentation as the tests see them: blocks of code, commands, links and headings."""

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / 'docs' / 'methods' / 'template.md'
PAGES = sorted({*REPOSITORY.glob('*.md'), *(REPOSITORY / 'docs').rglob('*.md')} - {TEMPLATE})
FENCE = re.compile(r'^```(\w*)[^\n]*\n(.*?)^```$', re.M | re.S)
MARKER = re.compile(r'<!-- not run:(.*?)-->\n*\Z')
LINK = re.compile(r'\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)')
OURS = (['pose_estimation'], ['python', '-m', 'pose_estimation_ros'])
"""How the pages call the command line."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None
    """Why it does not run in the tests; None where it runs."""

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'

    @property
    def runs(self) -> bool:
        return self.language in ('bash', 'python') and self.reason is None

    @cached_property
    def commands(self) -> list[list[str]]:
        """The commands of a bash block as lists of words; variables and patterns are left as they are."""
        lines = self.code.replace('\\\n', ' ').splitlines()
        parts = (part for line in lines for part in re.split(r' (?:&&|\|\||;|\|) ', line))
        return [words for words in (shlex.split(part, comments=True) for part in parts) if words]


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def text_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub('', page.read_text())


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for fence in FENCE.finditer(text):
        marker = MARKER.search(text[: fence.start()])
        line = text.count('\n', 0, fence.start()) + 2
        found.append(Block(name(page), line, fence[1], fence[2], marker and marker[1].strip()))
    return found


def without_assignments(words: list[str]) -> list[str]:
    """Drop the variables that a command is started with: `PYTHONPATH=. python ...`."""
    return without_assignments(words[1:]) if words and re.match(r'\w+=', words[0]) else words


def our_arguments(words: list[str]) -> list[str] | None:
    """Return what a command passes to our command line, None for another program."""
    words = without_assignments(words)
    if words[:1] == ['torchrun'] and '-m' in words:
        words = ['python', *words[words.index('-m') :]]
    for start in OURS:
        if words[: len(start)] == start:
            return words[len(start) :]
    return None


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST form them."""
    headings = re.findall(r'^#+ (.*)$', text_of(page), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-') for heading in headings}
