"""What is written about the table of parameters: config/pose_node.yaml and the table of docs/parameters.md.

`python -m pose_estimation_ros.ros.parameters.parameter_texts [FOLDER]` brings the checkout in FOLDER up to date.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.ros.parameters.parameter import Parameter, Value
from pose_estimation_ros.ros.parameters.parameters import PARAMETERS

YAML_FILE = 'config/pose_node.yaml'
PAGE_FILE = 'docs/parameters.md'
COMMAND = 'python -m pose_estimation_ros.ros.parameters.parameter_texts'
BEGIN, END = f'<!-- parameters, written by `{COMMAND}` -->\n', '<!-- end of parameters -->\n'

YAML_HEAD = f"""\
# Every parameter of pose_node, with its default. Written by `{COMMAND}`.
# Copy it, keep the lines that you change, and start the node with it:
#   ros2 launch pose_estimation_ros pose_estimation.launch.py params_file:=my.yaml
# "live" may be changed while the node is active: ros2 param set /pose_node base_height 368
/**:
  ros__parameters:
"""


def to_yaml() -> str:
    """Return a parameters file with every default and its comment."""
    lines: list[str] = []
    group = ''
    for parameter in PARAMETERS:
        prefix, _, name = parameter.name.rpartition('.')
        if prefix != group and prefix:
            lines.append(f'    {prefix}:')
        group = prefix
        indent = '      ' if prefix else '    '
        lines += [f'{indent}# {parameter.description}{_remarks(parameter)}', f'{indent}{name}: {literal(parameter)}']
    return YAML_HEAD + '\n'.join(lines) + '\n'


def to_markdown() -> str:
    """Return the parameters as a table."""
    rows = [
        f'| `{each.name}` | {f"`{each.default}`" if each.type is str and each.default else literal(each)} '
        f'| {each.constraint} | {"yes" if each.dynamic else ""} | {each.description} |'
        for each in PARAMETERS
    ]
    return '\n'.join(['| parameter | default | allowed | live | meaning |', '|---|---|---|---|---|', *rows]) + '\n'


def literal(parameter: Parameter) -> str:
    """Return the default as YAML, such that it is read back in the same type."""
    value: Value = parameter.default
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else repr(value)


def with_table(page: str) -> str:
    """Return the page with its part between the markers written anew; raises ValueError where there is none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f'{PAGE_FILE} must hold {BEGIN.strip()} and {END.strip()}')
    return f'{before}{BEGIN}{to_markdown()}{END}{after}'


def main(arguments: Sequence[str]) -> int:
    """Write both files in the checkout that is named, or in the current folder."""
    folder = Path(arguments[0]) if arguments else Path()
    page = folder / PAGE_FILE
    if len(arguments) > 1 or not page.is_file():
        print(f'{COMMAND} [FOLDER]: FOLDER must be a checkout of the package', file=sys.stderr)
        return 2
    (folder / YAML_FILE).parent.mkdir(exist_ok=True)
    (folder / YAML_FILE).write_text(to_yaml())
    page.write_text(with_table(page.read_text()))
    return 0


def _remarks(parameter: Parameter) -> str:
    remarks = [parameter.constraint, 'live' if parameter.dynamic else '']
    return f' [{"; ".join(filter(None, remarks))}]' if any(remarks) else ''


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
