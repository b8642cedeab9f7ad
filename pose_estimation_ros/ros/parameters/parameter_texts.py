"""Writes the parameters into config/*.yaml and the tables of docs/parameters.md.

`python -m pose_estimation_ros.ros.parameters.parameter_texts [FOLDER]` updates the checkout in FOLDER.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.settings import Setting
from pose_estimation_ros.ros.parameters.camera_settings import CAMERA_PARAMETERS
from pose_estimation_ros.ros.parameters.node_settings import (
    DEFAULT_METHOD,
    parameters_of,
    shared_setting_of,
    systems_of,
)

PAGE_FILE = 'docs/parameters.md'
COMMAND = 'python -m pose_estimation_ros.ros.parameters.parameter_texts'
TABLES = {'pose_node': parameters_of(DEFAULT_METHOD), 'camera_node': CAMERA_PARAMETERS}

YAML_HEAD = f"""\
# Every parameter of {{node}}, with its default. Written by `{COMMAND}`.
# Copy it, keep the lines that you change, and start the node with it:
#   {{start}}
# {{live}}
/**:
  ros__parameters:
"""
STARTS = {
    'pose_node': 'ros2 launch pose_estimation_ros pose_estimation.launch.py params_file:=my.yaml',
    'camera_node': 'ros2 run pose_estimation_ros camera_node --ros-args --params-file my.yaml',
}
LIVE = {
    'pose_node': """\
"live" may be changed while the node is active: ros2 param set /pose_node base_height 368
# Parameters whose default depends on the method are commented out: they follow the method unless set.""",
    'camera_node': '"live" may be changed while the node runs: ros2 param set /camera_node loop false',
}


def yaml_file(node: str) -> str:
    """Return the file of a node's parameters, from the top of the checkout."""
    return f'config/{node}.yaml'


def to_yaml(node: str = 'pose_node') -> str:
    """Return a parameters file with every default and its comment."""
    lines: list[str] = []
    group = ''
    for each in TABLES[node].values():
        prefix, _, name = each.name.rpartition('.')
        if prefix != group and prefix:
            lines.append(f'    {prefix}:')
        group = prefix
        indent = '      ' if prefix else '    '
        follows = '# ' if depends_on_method(each) else ''
        lines += [f'{indent}# {meaning(each)}{_remarks(each)}', f'{indent}{follows}{name}: {literal(each.default)}']
    return YAML_HEAD.format(node=node, start=STARTS[node], live=LIVE[node]) + '\n'.join(lines) + '\n'


def to_markdown(node: str = 'pose_node') -> str:
    """Return the parameters as a table."""
    rows = [
        f'| `{each.name}` | {defaults(each)} | {allowed(each)} | {"yes" if each.live else ""} '
        f'| {meaning(each)}{f" Only {systems}." if (systems := systems_of(each)) else ""} |'
        for each in TABLES[node].values()
    ]
    return '\n'.join(['| parameter | default | allowed | live | meaning |', '|---|---|---|---|---|', *rows]) + '\n'


def meaning(parameter: Setting) -> str:
    """Return what a parameter means, with the words of systems that differ."""
    shared = shared_setting_of(parameter)
    return shared.text if shared else parameter.text


def depends_on_method(parameter: Setting) -> bool:
    """Whether systems have different defaults."""
    shared = shared_setting_of(parameter)
    return shared is not None and len({each.as_parameter().default for each in shared.settings.values()}) > 1


def defaults(parameter: Setting) -> str:
    """Return the default, and those of systems that have another."""
    shared = shared_setting_of(parameter)
    values = shared.by_system(lambda _, each: literal(each.as_parameter().default)) if shared else ''
    words = f' ({parameter.default_text})' if parameter.unset is not None and parameter.default_text else ''
    return f'{values or literal(parameter.default)}{words}'


def allowed(parameter: Setting) -> str:
    """Return the allowed values, and those of systems that differ."""
    shared = shared_setting_of(parameter)
    return shared.by_system(lambda _, each: each.as_parameter().allowed) if shared else parameter.allowed


def literal(value: Any) -> str:
    """Return a value as YAML, such that it is read back in the same type."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else repr(value)


def with_tables(page: str) -> str:
    """Return the page with the parts between the markers replaced; raises ValueError without markers."""
    for node in TABLES:
        begin, end = f'<!-- parameters of {node}, written by `{COMMAND}` -->\n', f'<!-- end of {node} -->\n'
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise ValueError(f'{PAGE_FILE} must hold {begin.strip()} and {end.strip()}')
        page = f'{before}{begin}{to_markdown(node)}{end}{after}'
    return page


def main(arguments: Sequence[str]) -> int:
    """Write the files in the checkout given, or in the current folder."""
    folder = Path(arguments[0]) if arguments else Path()
    page = folder / PAGE_FILE
    if len(arguments) > 1 or not page.is_file():
        print(f'{COMMAND} [FOLDER]: FOLDER must be a checkout of the package', file=sys.stderr)
        return 2
    (folder / 'config').mkdir(exist_ok=True)
    for node in TABLES:
        (folder / yaml_file(node)).write_text(to_yaml(node))
    page.write_text(with_tables(page.read_text()))
    return 0


def _remarks(parameter: Setting) -> str:
    systems = systems_of(parameter)
    stated = depends_on_method(parameter) or (parameter.unset is not None and parameter.default_text)
    remarks = [
        allowed(parameter),
        f'default: {defaults(parameter)}' if stated else '',
        'live' if parameter.live else '',
        f'only {systems}' if systems else '',
    ]
    return f' [{"; ".join(filter(None, remarks))}]' if any(remarks) else ''


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
