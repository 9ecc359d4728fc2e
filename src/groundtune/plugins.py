"""What installed packages add through entry points: benchmarks, prompt sources, training methods.

Entry points are read when a name is looked up that is not built in, never at start: this reads the
metadata of every installed package. An object is imported when it is named.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, TypeVar, Union, cast

from pydantic import BaseModel, Field, GetCoreSchemaHandler, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from groundtune.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
TYPE = "type"
"""The field that names a variant."""


class PluginFault(NamedTuple):
    """Why an object can't be used, and what its author has to change."""

    what: str
    fix: str


@dataclass(frozen=True, slots=True, eq=False)
class Plugins(Generic[T]):
    """The objects of one group of entry points, by the names of the entry points."""

    group: str
    fault: Callable[[str, object], PluginFault | None]
    """Tells why the object of a name can't be used; None if it can."""
    loaded: dict[str, T] = field(default_factory=dict[str, T])
    """Objects that were used so far, by name."""

    def names(self) -> list[str]:
        """Return the names of all entry points, in the order of the installed packages."""
        return list(_points(self.group))

    def load(self, name: str) -> T:
        """Import and return the object of a name from `names`.

        Raises:
            UserError: several packages have the name, the object can't be imported, or it can't be
                used.
        """
        if name not in self.loaded:
            self.loaded[name] = self._load(name)
        return self.loaded[name]

    def refresh(self) -> None:
        """Look again at the installed packages, as a notebook needs it that has installed one."""
        self.loaded.clear()
        _points.cache_clear()
        _hash_of_source.cache_clear()

    def where(self, name: str) -> str:
        """Return the line of the entry point, as its package writes it."""
        first = _points(self.group)[name][0]
        return f"{self.group}: {name} = {first.value}"

    def package(self, name: str) -> str:
        """Return the package of a name with its version and a hash of its Python files."""
        point = _points(self.group)[name][0]
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
        return f"{package}, source {_hash_of_source(point.module)}"

    def _load(self, name: str) -> T:
        points = _points(self.group)[name]
        where = self.where(name)
        if len(points) > 1:
            packages = " and ".join(point.dist.name for point in points if point.dist)
            raise UserError(
                f"Several installed packages have {name}: {packages}.", where, "Uninstall one."
            )
        try:
            plugin: object = points[0].load()
        except (ImportError, AttributeError, SyntaxError, PydanticUserError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(
                f"{name} can't be imported: {reason.removesuffix('.')}.",
                where,
                f"Fix or reinstall the package {points[0].dist.name if points[0].dist else ''}.",
            ) from error
        fault = self.fault(name, plugin)
        if fault is not None:
            raise UserError(fault.what, where, fault.fix)
        return cast("T", plugin)


@dataclass(frozen=True, slots=True)
class MoreVariants:
    """Metadata of a union over `type`: installed packages add variants, named like their `type`.

    A recipe that names a built-in variant reads no entry point.
    """

    plugins: Plugins[Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        variants: tuple[type[BaseModel], ...] = source.__args__
        built_in = [str(variant.model_fields[TYPE].default) for variant in variants]

        def validate(value: object, built_in_only: Callable[[object], object]) -> object:
            name = _type_of(value)
            if not isinstance(name, str) or name in built_in:
                return built_in_only(value)
            others = self.plugins.names()
            if name not in others:
                names = ", ".join(map(repr, [*built_in, *others]))
                context = {"discriminator": repr(TYPE), "tag": name, "expected_tags": names}
                raise PydanticKnownError("union_tag_invalid", context)
            union: Any = Union[(*variants, self.plugins.load(name))]  # made at run time
            form: Any = Annotated[union, Field(discriminator=TYPE)]
            return TypeAdapter[Any](form).validate_python(value, extra="forbid")

        return core_schema.no_info_wrap_validator_function(
            validate, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def package_of(self, value: object) -> str:
        """Return the package of a value's type, with version and hash; "" for a built-in type."""
        name = next((n for n, kind in self.plugins.loaded.items() if type(value) is kind), "")
        return self.plugins.package(name) if name else ""


def _type_of(value: object) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(TYPE)
    return getattr(value, TYPE, None)


@lru_cache(maxsize=8)
def _points(group: str) -> "Mapping[str, list[EntryPoint]]":
    from importlib.metadata import entry_points

    by_name: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        by_name.setdefault(point.name, []).append(point)
    return MappingProxyType(by_name)


@lru_cache(maxsize=64)
def _hash_of_source(module: str) -> str:
    """Return the hash of all Python files of a module's package, or of the module alone.

    The package is the outermost one that isn't a namespace.
    """
    import_module(module)
    parts = module.split(".")
    outer = (sys.modules[".".join(parts[: n + 1])] for n in range(len(parts)))
    root = next((each for each in outer if getattr(each, "__file__", None)), None)
    assert root is not None, f"{module} has no file"
    file = Path(str(root.__file__))
    folder = file.parent if hasattr(root, "__path__") else file
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [file]:
        name = path.relative_to(file.parent).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
