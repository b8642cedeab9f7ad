"""Names of classes: wordnet_labels.yaml, class index -> [WordNet id, name]."""

import json
from pathlib import Path
from typing import NamedTuple

from pose_estimation_ros.core.errors import DatasetError

FILE_NAME = 'wordnet_labels.yaml'
EXPECTED = 'expected lines such as "0": ["n01440764", "tench"]'
CURE = '`prepare imagenet` writes it'


class Label(NamedTuple):
    """A class of a dataset."""

    wnid: str
    """Its id in WordNet, the name of its folder of images."""
    name: str


def read_labels(path: Path) -> tuple[Label, ...]:
    """Return the classes by index, from JSON or from YAML with one class a line; raises DatasetError."""
    try:
        text = path.read_text(encoding='utf-8').strip()
    except FileNotFoundError as error:
        raise DatasetError(f'there are no labels at {path}: {CURE}, or name another file of labels') from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'{path} cannot be read as labels ({error}); {CURE}') from error
    try:
        content = json.loads(text if text.startswith('{') else '{' + ','.join(text.splitlines()) + '}')
        labels = {int(index): Label(*map(str, pair)) for index, pair in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f'{path} holds no labels, {EXPECTED}; {CURE}') from error
    if not labels or sorted(labels) != list(range(len(labels))):
        raise DatasetError(
            f'{path} must number its {len(labels)} classes from 0 to {max(0, len(labels) - 1)}, {EXPECTED}; {CURE}'
        )
    return tuple(labels[index] for index in range(len(labels)))


def numbered_labels(count: int) -> tuple[Label, ...]:
    """Return names for classes that have none."""
    return tuple(Label('', f'class_{index}') for index in range(count))
