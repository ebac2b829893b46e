"""Options that several commands have, each with one meaning."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from jaxnas import checks
from jaxnas.checks import ranges
from jaxnas.checks.kinds import Flag, OrNone, Several, Text, Word
from jaxnas.cli.values import Choice, DataSet, Number, Place
from jaxnas.spaces import DEFAULT, SPACES

if TYPE_CHECKING:
    import jax

    from jaxnas.engine.environment import Start

Decorator: TypeAlias = Callable[[Any], Any]
NoiseRange: TypeAlias = tuple[float, float] | None

PATH = Place()
COUNT = Number(ranges.Count)
SEED = Number(ranges.Seed)


def several(*options: Decorator) -> Decorator:
    """One decorator of several options, which the help lists in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# Which architectures.
space = click.option(
    "--space",
    type=Choice(list(SPACES)),
    default=DEFAULT.name,
    show_default=True,
    help="Search space of the architectures; `jaxnas spaces` lists them.",
)


def cells(default: str | None) -> Decorator:
    """The option --cells, which selects architectures; None for no default."""
    return click.option(
        "--cells",
        default=default,
        show_default=default is not None,
        metavar="SPEC",
        help="Which architectures: all; START:STOP; random:N, drawn by the first seed; indices "
        "separated by commas; an architecture as its space writes it, or the name of a published "
        "one; @FILE with one a line.",
    )


# By which images and which seeds.
def images(default: str | None = "digits", *, test: bool = False) -> Decorator:
    """The option --dataset for images; None for no default, which makes it required.

    Args:
        default: what is used where the user names none.
        test: whether test images are needed.
    """
    arrays = "x_train, y_train, x_test and y_test" if test else "x_train and y_train"
    # To click a default of None is a value that is given.
    rest: dict[str, Any] = {"required": True} if default is None else {"default": default}
    return click.option(
        "--dataset",
        type=DataSet(),
        **rest,
        show_default=default is not None,
        metavar="NAME_OR_NPZ",
        help=f"Images: digits, cifar10, cifar100, imagenet16-120, or an .npz with {arrays}.",
    )


def seeds(text: str) -> Decorator:
    """The option --seeds; `text` says what each of them fixes."""
    return click.option(
        "--seeds", default="0", show_default=True, metavar="S[,S...]", help=f"Random seeds: {text}"
    )


def _seed(kind: Any) -> Decorator:
    return click.option(
        "--seed", type=Number(kind), default=0, show_default=True, help="Random seed."
    )


seed = _seed(ranges.Seed)
seed_of_words = _seed(ranges.SeedOfWords)


def out(text: str, *, required: bool = False) -> Decorator:
    """The option --out, a folder; `text` says what is kept in it."""
    return click.option("--out", type=PATH, required=required, metavar="DIR", help=text)


def check_folders(*folders: Path | None) -> None:
    """Raises ValueError unless files can be kept in each folder; asked before the work."""
    for path in folders:
        if path is not None:
            checks.folder_to_write("folder", path)


# How noise scores are rescaled.
def _check_noise_range(_: click.Context, __: click.Parameter, value: NoiseRange) -> NoiseRange:
    if value and not value[0] < value[1]:
        raise ValueError(
            f"--noise-range: expected finite LOW < HIGH, got {value[0]} {value[1]}; give the "
            "lowest and the highest js"
        )
    return value


noise_range: Decorator = click.option(
    "--noise-range",
    nargs=2,
    type=Number(ranges.Finite),
    metavar="LOW HIGH",
    callback=_check_noise_range,
    help="js by which the noise scores (sns, lns, mnjs) are rescaled to [0, 1].  [default: the "
    "lowest and highest in the table]",
)


class Machine(NamedTuple):
    """Where a command computes, and in which folders it finds and keeps things.

    Attributes:
        devices: at most so many; None for all.
        data_dir: folder of the data sets; None for the user's cache.
        cache_dir: folder of compiled programs; None for the user's cache.
        no_cache: whether no compiled programs are kept.
    """

    devices: int | None
    data_dir: Path | None
    cache_dir: Path | None
    no_cache: bool

    def ready(self, start: Start | None) -> None:
        """Readies the process, before JAX is imported; may replace it and not return.

        Raises:
            ValueError: no compiled programs can be kept in their folder, or that of the data sets
                is a file.
        """
        if not self.no_cache:
            check_folders(self.cache_dir)
        if self.data_dir is not None and self.data_dir.exists() and not self.data_dir.is_dir():
            raise ValueError(
                f"{self.data_dir}: expected the folder of the data sets, got a file; choose "
                "another path"
            )
        if start:
            start(self.devices)

    def local_devices(self) -> list[jax.Device]:
        """The devices to compute on, where compiled programs are kept from now on."""
        from jaxnas.engine import devices

        if not self.no_cache:
            devices.keep_compiled_programs(self.cache_dir)
        return devices.local_devices(self.devices)


MACHINE = (
    click.option(
        "--devices", type=COUNT, help="Most devices to use.  [default: all GPUs or cores]"
    ),
    click.option("--data-dir", type=PATH, help="Folder of the data sets.  [default: user's cache]"),
    click.option(
        "--cache-dir", type=PATH, help="Folder of compiled programs.  [default: user's cache]"
    ),
    click.option("--no-cache", is_flag=True, help="Keep no compiled programs."),
)


def machine(command: Callable[..., Any]) -> Any:
    """Adds the options of `Machine`; the command gets them together as its keyword `machine`."""

    @functools.wraps(command)
    def with_machine(*args: Any, **values: Any) -> Any:
        found = Machine(**{name: values.pop(name) for name in Machine._fields})
        return command(*args, machine=found, **values)

    return several(*MACHINE)(with_machine)


# The words in which a command's user is told what to ask for where memory is too small.
SMALLER_BATCH = "a smaller --batch-size or fewer --devices"


def of_fields(
    settings: type,
    texts: Mapping[str, str],
    defaults: Mapping[str, str] = types.MappingProxyType({}),
) -> Decorator:
    """Options for fields of a dataclass, whose kinds and defaults are read off it.

    An option that the user does not give is None, see `given`; the dataclass has its default.

    Args:
        settings: the dataclass.
        texts: the help of each field that is to be an option, in the order of the help.
        defaults: for a field, what the help says of its default instead of the value.

    Raises:
        KeyError: a text is for no field.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}
    kinds = checks.kinds_of(settings)
    return several(
        *(
            _of_field(name, kinds[name], fields[name].default, text, defaults.get(name))
            for name, text in texts.items()
        )
    )


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user has given, by name."""
    return {name: value for name, value in values.items() if value is not None}


def _of_field(
    name: str, kind: checks.Kind, default: Any, text: str, words: str | None
) -> Decorator:
    spelt = "--" + name.replace("_", "-")
    if isinstance(kind, OrNone):  # none is what is not given
        kind = kind.kind
    if isinstance(kind, Flag):
        spelt = f"{spelt}/--no-{name.replace('_', '-')}"
        words = words or (spelt.split("/")[0 if default else 1][2:])
    elif words is None and default not in (None, dataclasses.MISSING):
        words = f"{default:g}" if isinstance(default, float) else str(default)
    note = f"{text}  [default: {words}]" if words else text
    return click.option(spelt, name, default=None, type=type_of(kind), help=note)


def type_of(kind: checks.Kind) -> Any:
    """What click takes for a kind of value; one of each for several of a number not said."""
    match kind:
        case OrNone(inner) | Several(inner, None):
            return type_of(inner)
        case Several(inner, int(count)):
            return (type_of(inner),) * count
        case Flag() | Text():
            return None
        case Word(known):
            return Choice(known)
    return Number(kind)
