"""DESIGN.md, "Layers": imports point down only, without circles, and torch and ROS stay in their rooms.

Functions named `..._violations` check the sources. Two processes in which torch or all extras cannot be imported then
load every module that must work without them. The second half of the file proves on small source trees that every
rule can fail.
"""

import ast
import fnmatch
import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from pose_estimation_ros.methods.systems import SYSTEMS

PACKAGE = 'pose_estimation_ros'
SOURCE = Path(__file__).resolve().parent.parent / PACKAGE

# From the bottom up. Rooms on one line do not import each other.
LAYERS = [
    {'core'},
    {'synthetic', 'tracking', 'backbones'},
    {'data'},
    {'fetching'},
    {'methods', 'classification'},
    {'inference'},
    {'models'},
    {'evaluation'},
    {'training'},
    {'learners'},
    {'apps', 'ros'},
    {''},  # __init__ and __main__
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

# The same within rooms; '' stands for the modules beside the folders. Those of training/ are both above and below.
INNER_LAYERS = {
    'inference': [{'backends'}, {'detectors'}, {''}, {'two_pass'}],
    'training': [{'callbacks'}, {'pose', 'classification'}, {'distillation'}],
    'apps': [{'options'}, {'benchmark'}, {'commands'}, {''}],
    'ros': [{'parameters', 'messages'}, {'nodes'}, {'trials'}],
}
LARGEST_SHARE = 0.2
"""Of the package's lines that one room, or one published system, may have."""

TORCH = {'torch', 'torchvision', 'torchmetrics', 'lightning', 'pytorch_lightning'}
TORCH_ALLOWED = [
    'backbones/*',
    'methods/*/network.py',
    'methods/*/loss.py',
    'methods/*/weights.py',
    'training/*',
    'inference/backends/torch_backend.py',
]
EXTRAS = TORCH | {
    'onnx',
    'openvino',
    'matplotlib',
    'pycocotools',
    'rosbags',
    'mcap',
    'lz4',
    'zstandard',
    'tensorboard',
    'mlflow',
}
EXTRAS_ALLOWED = [*TORCH_ALLOWED, 'inference/backends/*_backend.py', 'evaluation/*', 'data/bags/*']

SYSTEM_NAMES = re.compile('|'.join(name.replace('_', '[ _-]?') for name in SYSTEMS), re.IGNORECASE)
"""Published systems in names, texts and comments."""
SYSTEM_NAMES_ALLOWED = [
    *('__init__.py', 'methods/systems.py'),
    *(f'methods/{name}/*' for name in SYSTEMS),
    *(f'learners/{name}.py' for name in SYSTEMS),
]

ROS = {'rclpy', 'cv_bridge', 'launch', 'launch_ros', 'std_srvs', 'message_filters', 'ament_index_python', 'tf2_ros'}
CORE_MAY_IMPORT = {'numpy', 'cv2', 'scipy'} | sys.stdlib_module_names


@dataclass(frozen=True)
class Import:
    """One imported name; `loads` is false in functions and for type checkers, where loading the module skips it."""

    name: str
    line: int
    loads: bool

    @property
    def top(self) -> str:
        return self.name.partition('.')[0]


@dataclass(frozen=True)
class Module:
    path: Path
    root: Path

    @property
    def place(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def folders(self) -> tuple[str, ...]:
        return Path(self.place).parts[:-1]

    @property
    def room(self) -> str:
        return self.folders[0] if self.folders else ''

    @property
    def name(self) -> str:
        parts = [PACKAGE, *Path(self.place).with_suffix('').parts]
        return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return parsed(self.text)

    @property
    def package(self) -> str:
        return self.name if self.path.name == '__init__.py' else self.name.rpartition('.')[0]

    @cached_property
    def imports(self) -> list[Import]:
        return list(self._imports())

    def _imports(self) -> Iterator[Import]:
        for node, loads in statements(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno, loads) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = importlib.util.resolve_name('.' * node.level + (node.module or ''), self.package)
                yield from (Import(f'{base}.{alias.name}', node.lineno, loads) for alias in node.names)

    def may(self, places: list[str]) -> bool:
        return any(fnmatch.fnmatch(self.place, place) for place in places)

    def violation(self, found: Import, rule: str) -> str:
        return f'{self.place}:{found.line} imports {found.name}: {rule}'


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def statements(node: ast.AST, loads: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Walk a tree with, for each node, whether it runs when the module is loaded."""
    for child in ast.iter_child_nodes(node):
        yield child, loads
        if isinstance(child, ast.If) and is_type_checking(child):
            yield from ((inner, False) for part in child.body for inner in ast.walk(part))
            yield from statements(ast.Module(child.orelse, []), loads)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from statements(child, loads and not function)


def is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) in ('TYPE_CHECKING', 'typing.TYPE_CHECKING')


def modules(root: Path) -> list[Module]:
    return [Module(path, root) for path in sorted(root.rglob('*.py'))]


def is_ros(name: str) -> bool:
    return name in ROS or name.endswith(('_msgs', '_interfaces'))


def layer_violations(root: Path) -> list[str]:
    found = [f'{module.place}: {module.room}/ is not in LAYERS' for module in modules(root) if module.room not in RANK]
    for module in modules(root):
        for item in module.imports:
            if item.top != PACKAGE:
                continue
            target = item.name.split('.')[1] if '.' in item.name else ''
            target = target if target in RANK or (root / target).is_dir() else ''
            below = RANK.get(target, len(LAYERS)) < RANK.get(module.room, -1)
            if target != module.room and not below:
                found.append(module.violation(item, f'{module.room}/ may import lower layers only'))
    return found


def inner_layer_violations(root: Path) -> list[str]:
    found = []
    for module in modules(root):
        rank = {name: level for level, names in enumerate(INNER_LAYERS.get(module.room, [])) for name in names}
        own = module.folders[1] if len(module.folders) > 1 else ''
        for item in module.imports:
            parts = item.name.split('.')[1:]
            if item.top != PACKAGE or parts[:1] != [module.room]:
                continue
            target = parts[1] if len(parts) > 1 and (root / parts[0] / parts[1]).is_dir() else ''
            if target != own and own in rank and target in rank and rank[target] >= rank[own]:
                found.append(module.violation(item, f'{module.room}/{own} may import lower parts of its room only'))
    return found


def imported_modules(module: Module, known: dict[str, Module]) -> set[str]:
    """Return the package's modules that a module imports, wherever in it: in functions and for type checkers too."""
    names = (item.name if item.name in known else item.name.rpartition('.')[0] for item in module.imports)
    return {name for name in names if name in known and name != module.name}


def circle_violations(root: Path) -> list[str]:
    known = {module.name: module for module in modules(root)}
    graph = {name: imported_modules(module, known) for name, module in known.items()}
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}
    return [f'{name} is in, or above, a circle: imports {", ".join(sorted(graph[name]))}' for name in sorted(graph)]


def size_violations(root: Path) -> list[str]:
    lines: Counter[str] = Counter()
    for module in modules(root):
        room = '/'.join(module.folders[:2]) if module.room == 'methods' else module.room
        lines[room] += len(module.text.splitlines())
    most = LARGEST_SHARE * lines.total()
    return [
        f'{room}/ has {count} of {lines.total()} lines, more than a fifth'
        for room, count in lines.items()
        if count > most
    ]


def pass_through_violations(root: Path) -> list[str]:
    return [
        f'{module.place} only passes on what other modules define; import from there'
        for module in modules(root)
        if module.path.name not in ('__init__.py', '__main__.py')
        and module.tree.body
        and all(passes_on(node) for node in module.tree.body)
    ]


def passes_on(node: ast.stmt) -> bool:
    """Whether a statement defines nothing: an import, another name, or a function that calls another one alike."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(value=ast.Name() | ast.Attribute()):
            return True
        case ast.Assign(targets=[ast.Name(id='__all__')]):
            return True
        case ast.FunctionDef(args=arguments, body=[*before, ast.Return(value=ast.Call(args=given, keywords=[]))]):
            same = [ast.unparse(value) for value in given] == [argument.arg for argument in arguments.args]
            return same and all(passes_on(each) for each in before)
    return False


def core_violations(root: Path) -> list[str]:
    return [
        module.violation(item, 'core/ is NumPy, OpenCV, SciPy and the standard library')
        for module in modules(root)
        if module.room == 'core'
        for item in module.imports
        if item.top not in CORE_MAY_IMPORT | {PACKAGE}
    ]


def ros_violations(root: Path) -> list[str]:
    return [
        module.violation(item, 'ROS is imported in ros/ only')
        for module in modules(root)
        if module.room != 'ros'
        for item in module.imports
        if is_ros(item.top)
    ]


def torch_violations(root: Path) -> list[str]:
    return [
        module.violation(item, f'outside {", ".join(TORCH_ALLOWED)} import torch inside a function')
        for module in modules(root)
        if not module.may(TORCH_ALLOWED)
        for item in module.imports
        if item.top in TORCH and item.loads
    ]


def system_violations(root: Path) -> list[str]:
    """What differs between systems is asked of the method or the table of systems, never of a name."""
    return [
        f'{module.place} names {match.group()}'
        for module in modules(root)
        if not module.may(SYSTEM_NAMES_ALLOWED) and (match := SYSTEM_NAMES.search(module.path.read_text()))
    ]


def init_violations(root: Path) -> list[str]:
    return [
        f'{module.place}:{node.lineno} does more than declare names: {ast.unparse(node).splitlines()[0]}'
        for module in modules(root)
        if module.path.name == '__init__.py'
        for node in module.tree.body
        if not is_declaration(node)
    ]


def is_declaration(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.FunctionDef(name='__getattr__' | '__dir__', decorator_list=[]):
            return True
        case ast.If(orelse=[]) if is_type_checking(node):
            return all(isinstance(part, ast.Import | ast.ImportFrom) for part in node.body)
        case (
            ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(target=ast.Name(), value=ast.expr() as value)
        ):
            return is_literal(value)
    return False


def is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


RULES = [
    *(layer_violations, inner_layer_violations, circle_violations, size_violations, pass_through_violations),
    *(core_violations, ros_violations, torch_violations, init_violations, system_violations),
]


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.__name__)
def test_package_keeps(rule):
    assert rule(SOURCE) == []


def importable(places: list[str]) -> list[str]:
    """Names of the modules that must load although what `places` may import is missing."""
    absent = {'ros'} if importlib.util.find_spec('rclpy') is None else set()
    return [
        module.name
        for module in modules(SOURCE)
        if not module.may(places) and module.room not in absent and module.path.name != '__main__.py'
    ]


PROBE = """
import importlib, json, sys, traceback
blocked, names = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(blocked))
failures = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException:
        failures[name] = traceback.format_exc()
print(json.dumps(failures))
"""


def import_without(blocked: set[str], names: list[str], folder: Path = SOURCE.parent) -> dict[str, str]:
    """Import `names` in a process where `blocked` cannot be imported; returns the tracebacks of those that failed."""
    command = [sys.executable, '-c', PROBE, json.dumps([sorted(blocked), names])]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_modules_load_without_torch():
    assert not report(import_without(TORCH, importable(TORCH_ALLOWED)))


def test_modules_load_without_any_extra():
    assert not report(import_without(EXTRAS, importable(EXTRAS_ALLOWED)))


def report(failures: dict[str, str]) -> str:
    return '\n'.join(f'{name}\n{trace}' for name, trace in failures.items())


def test_public_names_need_no_torch_and_importing_the_package_loads_nothing():
    code = (
        'import sys; sys.modules["torch"] = None; before = set(sys.modules); import pose_estimation_ros as package; '
        'assert not {"numpy", "cv2", "onnxruntime"} & (set(sys.modules) - before); package.Image; package.Pose'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=SOURCE.parent, timeout=60)


# --- proof that the rules can fail ---


def tree(folder: Path, place: str, text: str) -> Path:
    """Write a package of one module, and a few empty ones to import from; returns its folder."""
    return package(folder, {'backbones/b.py': '', 'cellar/b.py': '', place: text})


def package(folder: Path, files: dict[str, str]) -> Path:
    root = folder / PACKAGE
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ('place', 'text'),
    [
        ('core/a.py', f'import {PACKAGE}.methods.b'),
        ('core/a.py', f'from {PACKAGE} import backbones'),
        ('core/a.py', 'from ..learners import b'),
        ('core/__init__.py', 'from ..learners import b'),
        ('core/a.py', f'from {PACKAGE} import Image'),
        ('core/a.py', f'import {PACKAGE}'),
        ('methods/x/a.py', f'def f():\n    from {PACKAGE}.inference.b import c'),
        ('methods/x/a.py', f'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {PACKAGE}.apps.cli'),
        ('data/a.py', f'import {PACKAGE}.fetching.b'),
        ('tracking/a.py', f'import {PACKAGE}.synthetic.b'),
        ('apps/a.py', f'import {PACKAGE}.ros.node'),
        ('ros/a.py', f'import {PACKAGE}.apps.cli'),
        ('training/a.py', f'import {PACKAGE}.learners.b'),
        ('attic/a.py', 'import os'),
        ('apps/a.py', f'import {PACKAGE}.cellar.b'),
    ],
)
def test_layer_rule_refuses(tmp_path, place, text):
    assert any(line.startswith(place) for line in layer_violations(tree(tmp_path, place, text)))


@pytest.mark.parametrize(
    ('place', 'text'),
    [
        ('core/a.py', 'import numpy, cv2, json\nfrom .b import c\nfrom . import b'),
        ('methods/x/a.py', f'import {PACKAGE}.methods.y.b, {PACKAGE}.backbones.b\nfrom {PACKAGE}.core import b'),
        ('learners/a.py', f'import {PACKAGE}.evaluation.b, {PACKAGE}.data.b\nfrom ..training.b import c'),
        ('apps/a.py', f'from {PACKAGE}.learners.b import c\nfrom {PACKAGE} import backbones'),
        ('__init__.py', f'import {PACKAGE}.apps.cli'),
    ],
)
def test_layer_rule_accepts(tmp_path, place, text):
    root = tree(tmp_path, place, text)
    assert layer_violations(root) == ['cellar/b.py: cellar/ is not in LAYERS']
    assert core_violations(root) == []


@pytest.mark.parametrize(
    ('place', 'text', 'refused'),
    [
        ('inference/backends/a.py', 'from ..two_pass.b import c', True),
        ('inference/backends/a.py', 'from ..b import c', True),
        ('inference/backends/a.py', f'import {PACKAGE}.inference.detectors.b', True),
        ('inference/a.py', 'def f():\n    from .two_pass import b', True),
        ('inference/two_pass/a.py', 'from ..b import c\nfrom ..backends.b import d\nfrom .c import e', False),
        ('apps/options/a.py', 'from ..commands import b', True),
        ('apps/benchmark/a.py', 'if TYPE_CHECKING:\n    from ..commands.b import c', True),
        ('apps/commands/a.py', 'from ..benchmark.b import c\nfrom ..options.b import d', False),
        ('apps/cli.py', 'from .commands.b import c', False),
        ('ros/messages/a.py', 'from ..nodes.b import c', True),
        ('ros/messages/a.py', 'from ..parameters.b import c', True),
        ('ros/trials/a.py', 'from ..nodes.b import c', False),
        ('training/callbacks/a.py', 'from ..distillation.b import c', True),
        ('training/pose/a.py', 'from ..distillation.b import c', True),
        ('training/a.py', 'from .callbacks.b import c', False),
        ('training/callbacks/a.py', 'from ..b import c', False),
    ],
)
def test_inner_layer_rule(tmp_path, place, text, refused):
    inner = {f'{room}/{part}/b.py': '' for room, levels in INNER_LAYERS.items() for level in levels for part in level}
    root = package(tmp_path, {**inner, place: text})
    assert [line.partition(':')[0] for line in inner_layer_violations(root)] == [place] * refused


@pytest.mark.parametrize(
    'back',
    [
        'from .a import A',
        f'import {PACKAGE}.core.a',
        'def f():\n    from . import a',
        'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import A',
        'from .c import C',
    ],
)
def test_circle_rule(tmp_path, back):
    files = {'core/a.py': 'from .b import B', 'core/b.py': back, 'core/c.py': 'from . import a', 'core/d.py': ''}
    found = circle_violations(package(tmp_path / 'round', files))
    assert {'core.a', 'core.b'} <= {line.split()[0].removeprefix(f'{PACKAGE}.') for line in found}
    assert 'core.d' not in ''.join(found)
    assert circle_violations(package(tmp_path / 'straight', {**files, 'core/b.py': 'from .d import D'})) == []


@pytest.mark.parametrize(
    ('place', 'text', 'found'),
    [
        ('inference/a.py', '# as SimpleBaselines does', ['inference/a.py names SimpleBaseline']),
        ('apps/a.py', "'light' + 'weight_openpose'", []),
        ('apps/a.py', "method == 'lightweight_openpose'", ['apps/a.py names lightweight_openpose']),
        ('learners/other.py', 'class LightweightOpenPose: ...', ['learners/other.py names LightweightOpenPose']),
        ('learners/high_resolution.py', 'class HighResolution: ...', []),
        ('methods/simple_baseline/a.py', 'SIMPLE_BASELINE = 1', []),
        ('methods/systems.py', 'SIMPLE_BASELINE = 1', []),
        ('apps/commands/benchmark.py', 'high_resolution', ['apps/commands/benchmark.py names high_resolution']),
    ],
)
def test_system_rule(tmp_path, place, text, found):
    assert system_violations(package(tmp_path, {place: text})) == found


def test_size_rule(tmp_path):
    rooms = ['core', 'data', 'models', 'inference', 'training']
    even = {f'{room}/a.py': '\n' * 100 for room in rooms} | {f'methods/{name}/a.py': '\n' * 90 for name in 'xy'}
    assert size_violations(package(tmp_path / 'even', even)) == []
    large = package(tmp_path / 'large', even | {'data/b.py': '\n' * 200, 'methods/x/b.py': '\n' * 200})
    assert [line.split()[0] for line in size_violations(large)] == ['data/', 'methods/x/']


@pytest.mark.parametrize(
    ('text', 'refused'),
    [
        ('"""Other name."""\nfrom .b import c\n__all__ = ["c"]', True),
        ('from . import b\nread = b.read\nwrite = b.write', True),
        ('from . import b\ndef read(path, size):\n    """Read."""\n    return b.read(path, size)', True),
        ('from . import b\ndef read(path):\n    return b.read(path, 3)', False),
        ('from . import b\ndef read(path):\n    path = str(path)\n    return b.read(path)', False),
        ('from . import b\nREADERS = {"b": b.read}', False),
        ('from . import b\nclass A(b.A): ...', False),
        ('LIMIT = 3', False),
        ('', False),
    ],
)
def test_pass_through_rule(tmp_path, text, refused):
    assert bool(pass_through_violations(tree(tmp_path, 'data/a.py', text))) is refused


def test_pass_through_rule_allows_the_face_of_a_folder(tmp_path):
    assert pass_through_violations(tree(tmp_path, 'data/__init__.py', 'from .b import c\n__all__ = ["c"]')) == []


@pytest.mark.parametrize('text', ['import torch', 'def f():\n    import yaml', 'from onnxruntime import Session'])
def test_core_rule_refuses(tmp_path, text):
    assert core_violations(tree(tmp_path, 'core/a.py', text))


@pytest.mark.parametrize('text', ['import rclpy.node', 'from sensor_msgs.msg import Image', 'def f(): import std_srvs'])
def test_ros_rule_knows_one_room(tmp_path, text):
    assert ros_violations(tree(tmp_path / 'wrong', 'apps/a.py', text))
    assert ros_violations(tree(tmp_path / 'right', 'ros/a.py', text)) == []


@pytest.mark.parametrize(
    ('place', 'text', 'refused'),
    [
        ('inference/a.py', 'import torch', True),
        ('methods/x/method.py', 'from torch.nn import functional as F', True),
        ('learners/a.py', 'try:\n    import torch\nexcept ImportError:\n    torch = None', True),
        ('learners/a.py', 'class A:\n    import torch', True),
        ('learners/a.py', 'if TYPE_CHECKING:\n    import os\nelse:\n    import torch', True),
        ('learners/a.py', 'def f():\n    import torch', False),
        ('learners/a.py', 'class A:\n    async def f(self):\n        import torch', False),
        ('learners/a.py', 'if TYPE_CHECKING:\n    import torch', False),
        ('methods/x/network.py', 'import torch', False),
        ('backbones/a.py', 'import torch', False),
        ('training/deep/a.py', 'import lightning', False),
        ('inference/backends/torch_backend.py', 'import torch', False),
    ],
)
def test_torch_rule(tmp_path, place, text, refused):
    assert bool(torch_violations(tree(tmp_path, place, text))) is refused


@pytest.mark.parametrize(
    ('text', 'refused'),
    [
        ('"""Says what it is."""\nfrom a import b\n__all__ = ["b"]', False),
        ('if TYPE_CHECKING:\n    from a import b\n_HOMES = {"b": "a"}\ndef __getattr__(name): ...', False),
        ('print("hello")', True),
        ('import a\na.register()', True),
        ('THINGS = make()', True),
        ('def helper(): ...', True),
        ('if TYPE_CHECKING:\n    run()', True),
        ('for name in []:\n    pass', True),
        ('try:\n    import a\nexcept ImportError:\n    pass', True),
    ],
)
def test_init_rule(tmp_path, text, refused):
    assert bool(init_violations(tree(tmp_path, 'data/__init__.py', text))) is refused


def test_import_without_notices_what_is_missing(tmp_path):
    (tmp_path / 'needs_torch.py').write_text('import torch')
    (tmp_path / 'needs_nothing.py').write_text('')
    assert set(import_without({'torch'}, ['needs_torch', 'needs_nothing'], tmp_path)) == {'needs_torch'}
