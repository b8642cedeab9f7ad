"""Modules that stand elsewhere now: their old names work for one version, with a warning."""

import importlib
import runpy
import sys
import warnings


def use_renamed_module(name: str, old: str, new: str) -> None:
    """Let an old module stand for a new one; call it from the old module with its `__name__`.

    Imported, the old name means the new module; run with `python -m`, it runs the new one.
    """
    package = __name__.partition('.')[0]
    warnings.warn(f'{package}.{old} is now {package}.{new}; use the new name', DeprecationWarning, stacklevel=3)
    if name == '__main__':
        print(f'{package}.{old} is now {package}.{new}; use the new name', file=sys.stderr)
        runpy.run_module(f'{package}.{new}', run_name='__main__', alter_sys=True)
    else:
        sys.modules[name] = importlib.import_module(f'{package}.{new}')
