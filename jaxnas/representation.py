"""How what a factory makes is shown: as the call that made it, such as "js(noise=0.1)"."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, Self, TypeVar


class Shown(Protocol):
    """What can be told how it is shown."""

    def shown_as(self, text: str) -> Self: ...


P = ParamSpec("P")
S = TypeVar("S", bound=Shown)


def shown_by_call(factory: Callable[P, S]) -> Callable[P, S]:
    """The factory, whose results are shown as its call with the arguments that are no defaults."""
    signature = inspect.signature(factory)

    @functools.wraps(factory)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> S:
        made = factory(*args, **kwargs)
        given = signature.bind(*args, **kwargs).arguments
        told = [
            f"{name}={_shown(value)}"
            for name, value in given.items()
            if value != signature.parameters[name].default
        ]
        return made.shown_as(f"{factory.__name__}({', '.join(told)})")

    return wrapped


def _shown(value: Any) -> str:
    """A value as code, a function by its name rather than its address."""
    return str(getattr(value, "__name__", repr(value)))
