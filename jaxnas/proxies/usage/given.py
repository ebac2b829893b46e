"""What a user says about a network's tensors: their order and their outputs' axes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from jaxnas.checks import printable, quoted, unknown, whole
from jaxnas.proxies.usage.spread import Shape
from jaxnas.types import Path, Tensor

Axes: TypeAlias = int | tuple[int, ...]
OutputAxis: TypeAlias = Axes | Mapping[Path | str, Axes]
"""The outputs' axis of every tensor, or of those at some paths."""

Shapes: TypeAlias = Mapping[Path, Shape]


def shown(path: Path) -> str:
    """A path as it is written in sentences and may be given."""
    return printable("/".join(path)) or "params"


def order_of(given: Any, shapes: Shapes) -> list[Tensor | Path]:
    """The order that a user gives, its paths known and each once.

    Args:
        given: paths or tensors.
        shapes: of all parameters by path.

    Raises:
        ValueError: it is no sequence, or has paths that are unknown, repeated or of vectors, or a
            tensor's places or axes that its parameter does not have.
    """
    if isinstance(given, str | bytes | Mapping | Tensor) or not isinstance(given, Iterable):
        raise ValueError(
            f"order: expected a sequence of paths such as {_some(shapes)}, got {quoted(given)}"
        )
    found: list[Tensor | Path] = []
    for entry in given:
        if isinstance(entry, Tensor):
            path = _path("order", entry.path, shapes)
            found.append(_tensor(entry._replace(path=path), shapes[path]))
        else:
            found.append(_path("order", entry, shapes))
    seen: set[tuple[Path, Any]] = set()
    for entry in found:
        path, place = (entry.path, entry.place) if isinstance(entry, Tensor) else (entry, None)
        if (path, place) in seen or (path, None) in seen:
            where = "" if place is None else f" at place {place}"
            raise ValueError(
                f"order: expected each tensor once, got {shown(path)}{where} again; leave it out"
            )
        seen.add((path, place))
    return found


def output_axes(given: Any, shapes: Shapes) -> dict[Path, tuple[int, ...]]:
    """The output axes that a user gives, by path; a number is for every tensor.

    Raises:
        ValueError: paths that are unknown or of vectors, or no axes.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        axes = _axes("output_axis", given)
        return {path: axes for path, shape in shapes.items() if len(shape) >= 2}
    found = {}
    for name, axes in given.items():
        path = _path("output_axis", name, shapes)
        found[path] = _axes(f"output_axis of {shown(path)}", axes)
    return found


def fitted(name: str, axes: Axes, ndim: int) -> Axes:
    """Output axes of a tensor with so many axes; the last one is always -1.

    Raises:
        ValueError: an axis that it does not have, one twice, or all of them.
    """
    several: tuple[int, ...] = (axes,) if isinstance(axes, int) else axes
    for axis in several:
        whole(name, axis, -ndim, ndim - 1, f"for a tensor of {ndim} axes")
    places = [axis % ndim for axis in several]
    if len(set(places)) != len(places) or not 0 < len(places) < ndim:
        raise ValueError(
            f"{name}: expected different axes and fewer than the tensor's {ndim}, "
            f"got {quoted(axes)}; leave out those of the inputs"
        )
    if len(places) > 1:
        return tuple(places)
    return -1 if places[0] == ndim - 1 else places[0]


def _tensor(tensor: Tensor, shape: Shape) -> Tensor:
    name = f"order, {shown(tensor.path)}"
    try:
        places = tuple(
            (operator.index(axis), operator.index(place)) for axis, place in tensor.places
        )
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: expected a whole number or pairs (axis, position) as the place, "
            f"got {quoted(tensor.place)}"
        ) from None
    for axis, place in places:
        whole(f"{name}, axis of the stack", axis, 0, len(shape) - 1)
        whole(f"{name}, place", place, 0, shape[axis] - 1, "within the stack")
    if len(shape) - len(places) < 2:
        raise ValueError(
            f"{name}: expected a tensor of two or more axes, got {len(shape) - len(places)}; "
            "leave it out"
        )
    axes = _axes(f"{name}, output_axis", tensor.output_axis)
    fit = fitted(f"{name}, output_axis", axes, len(shape) - len(places))
    return tensor._replace(output_axis=fit)


def _axes(name: str, axes: Any) -> tuple[int, ...]:
    several = axes if isinstance(axes, tuple | list) else (axes,)
    return tuple(whole(name, axis, -64, 63) for axis in several)


def _path(name: str, given: Any, shapes: Shapes) -> Path:
    """A path that there is and that has two or more axes."""
    if isinstance(given, str):
        written = {"/".join(path): path for path in shapes}
        path = written.get(given)
    elif isinstance(given, Sequence):
        path = tuple(str(entry) for entry in given)
        path = path if path in shapes else None
    else:
        raise ValueError(f"{name}: expected paths such as {_some(shapes)}, got {quoted(given)}")
    if path is None:
        text = given if isinstance(given, str) else "/".join(map(str, given))
        known = [shown(path) for path, shape in shapes.items() if len(shape) >= 2]
        raise ValueError(f"{name}: {unknown('parameter', text, known[:20])}")
    if len(shapes[path]) < 2:
        raise ValueError(
            f"{name}: expected tensors of two or more axes, got {shown(path)} "
            f"{list(shapes[path])}; leave it out"
        )
    return path


def _some(shapes: Shapes) -> str:
    paths = [path for path, shape in shapes.items() if len(shape) >= 2]
    return repr(["/".join(path) for path in paths[:2]] or ["layer/kernel"])
