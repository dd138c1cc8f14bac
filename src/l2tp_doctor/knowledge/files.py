"""Reads the package's YAML files; the only place that knows where they are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml


@cache
def _strict_loader() -> type[yaml.SafeLoader] | type[yaml.CSafeLoader]:
    """Returns the C loader where PyYAML was built with it, refusing mappings that repeat a key."""
    import yaml  # costs 15 ms, and `--version` never needs it

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class StrictLoader(base):  # type: ignore[misc]  # the base class is chosen at run time
        """YAML keeps the last of two equal keys silently; here that is a mistake in a data file."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value]
            if len(set(keys)) != len(keys):
                raise ValueError(
                    f"{node.start_mark.name}: a key is repeated near line {node.start_mark.line}"
                )
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
            return mapping

    return StrictLoader


def load(*path: str) -> Any:
    """Returns the content of one YAML file below this package, e.g. ``load("rules", "path.yaml")``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a mapping repeats a key.
    """
    import yaml

    content = resources.files(__package__).joinpath(*path).read_text(encoding="utf-8")
    return yaml.load(content, Loader=_strict_loader())


def load_mapping(*path: str) -> Mapping[str, Any]:
    """As :func:`load`, for files whose content is a mapping.

    Raises:
        ValueError: it is not one.
    """
    content = load(*path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{'/'.join(path)}: wants a mapping")
    return content


def names(folder: str) -> tuple[str, ...]:
    """Returns the names of the YAML files in a folder, sorted, without their suffix."""
    entries = resources.files(__package__).joinpath(folder).iterdir()
    return tuple(sorted(entry.name[: -len(".yaml")] for entry in entries if entry.name.endswith(".yaml")))
