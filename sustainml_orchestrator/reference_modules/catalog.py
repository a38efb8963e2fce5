"""The data files of the reference modules: `config/catalog/<name>.yaml`, and overlays."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sustainml_orchestrator.contract import yaml_loader
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.reference_modules import overlays

_PACKAGE = "sustainml_orchestrator"
_CHECKOUT = Path(__file__).resolve().parents[2]


class CatalogError(Exception):
    """A catalogue is missing or unreadable; the text names the file and the remedy."""


def mistake(error: Exception) -> str:
    """What is wrong with an entry, from the exception that reading it has raised."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def load(name: str, paths: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The catalogue `name` as published, with overlays as they are now: do not change it.

    Args:
        name: of the file, without its ending.
        paths: files and folders over it, beside those added and those of the environment.

    Raises:
        CatalogError: the file is missing, is no YAML, or holds no mapping; or an overlay is wrong.
    """
    try:
        return overlays.over(name, published(name), overlays.files(paths))
    except overlays.OverlayError as error:
        raise CatalogError(f"{error}; correct the file or remove it") from error


@cache
def published(name: str) -> dict[str, Any]:
    """The parsed catalogue without overlays, read once per process.

    Raises:
        CatalogError: as `load` does.
    """
    path = directory() / f"{name}.yaml"
    try:
        content = yaml_loader.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"cannot read {path}: {cause(error)}; build the package again"
        ) from error
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise CatalogError(f"{path} is not valid YAML: {place}; correct it there") from error
    if not isinstance(content, dict):
        raise CatalogError(f"{path} must hold a mapping at its top; restore it or build again")
    return content


def directory() -> Path:
    """The folder of the catalogues that belong to this code.

    Code run from a checkout takes the files beside it, also when another version is installed;
    installed code takes those of the package's share directory.

    Raises:
        CatalogError: the package is not in the ament index.
    """
    beside = _CHECKOUT / "config" / "catalog"
    if beside.is_dir():
        return beside
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError as error:
        raise CatalogError(f"{beside} does not exist, and no ROS 2 is sourced") from error
    try:
        return Path(get_package_share_directory(_PACKAGE)) / "config" / "catalog"
    except PackageNotFoundError as error:
        raise CatalogError(
            f"{_PACKAGE} is not in the ament index; source install/setup.sh of your workspace"
        ) from error
