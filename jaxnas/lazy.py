"""Public names that are imported when first used, so that `jaxnas --help` need not wait for JAX."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def attach(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose names live in modules of it.

    Args:
        package: its name.
        homes: public name → module that has it; a module that has the name itself stands for it.
    """

    def getattr_(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name])
        value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        # Importing a submodule sets the package's attribute of its name; the public name wins.
        setattr(importlib.import_module(package), name, value)
        return value

    return getattr_, lambda: sorted(homes)
