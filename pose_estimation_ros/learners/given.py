"""Telling what a user asked for from what a signature's defaults say."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Init = TypeVar('Init', bound=Callable[..., None])


def remembers_given(init: Init) -> Init:
    """Let a constructor know which arguments its caller named: their set is in `self.given` before it runs.

    The published constructors have defaults of their own, and a weights file may say otherwise: what the user gave
    explicitly stands against the file, a default does not.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        self.given = frozenset(signature.bind(self, *args, **kwargs).arguments) - {'self'}
        init(self, *args, **kwargs)

    return wrapped  # type: ignore[return-value]
