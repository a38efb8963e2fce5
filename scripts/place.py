"""Where the environment of one ROS 2 lies in the checkout, and what it is made from."""

from dataclasses import dataclass
from pathlib import Path

from stamp import Stamp, digest


@dataclass(frozen=True)
class Place:
    """One environment: wheels, or an installation of ROS 2; several live side by side."""

    root: Path
    installed: bool
    distro: str
    suffix: str

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / f".venv{self.suffix}"

    @property
    def python(self) -> Path:
        """Python of the virtual environment."""
        return self.venv / "bin/python"

    def colcon(self, base: str) -> Path:
        """A directory of colcon: build, install or log."""
        return self.root / f"{base}{self.suffix}"

    @property
    def requirements(self) -> list[Path]:
        """Requirements with hashes; an installation of ROS 2 brings its own tools and numpy."""
        wheels = [] if self.installed else [f"ros-{self.distro}", "build"]
        folder = self.root / "requirements" / "hashed"
        return [folder / f"{name}.txt" for name in [*wheels, "runtime", "web", "dev"]]

    @property
    def venv_stamp(self) -> Stamp:
        """Of the virtual environment; it names the checkout, since neither can be moved."""
        kind = ["installed" if self.installed else "wheels", self.distro, str(self.root)]
        fingerprint = digest(kind, [*self.requirements, *self._scripts])
        return Stamp(self.venv / ".made", fingerprint)

    @property
    def messages_stamp(self) -> Stamp:
        """Of sustainml_msgs."""
        sources = [file for file in (self.root / "msg").rglob("*") if file.is_file()]
        tools = self.requirements[:-3]
        fingerprint = digest(self._built_for, [*sources, *tools, *self._scripts])
        return Stamp(self.colcon("install") / ".made-messages", fingerprint)

    @property
    def package_stamp(self) -> Stamp:
        """Of sustainml_orchestrator; it is linked, so of its data files the names are enough."""
        folders = (self.root / "config", self.root / "launch")
        linked = [str(file) for folder in folders for file in sorted(folder.rglob("*"))]
        packaging = [self.root / name for name in ("package.xml", "setup.cfg", "setup.py")]
        fingerprint = digest([*self._built_for, *linked], [*packaging, *self._scripts])
        return Stamp(self.colcon("install") / ".made", fingerprint)

    @property
    def _built_for(self) -> list[str]:
        return [str(self.root), *sorted(path.name for path in self.venv.glob("lib/python3.*"))]

    @property
    def _scripts(self) -> list[Path]:
        return [Path(__file__).with_name("build.py")]

    def is_made(self) -> bool:
        """Whether there is nothing to do."""
        return all(
            stamp.fresh for stamp in (self.venv_stamp, self.messages_stamp, self.package_stamp)
        )


def from_arguments(arguments: list[str]) -> Place:
    """Read what build.sh hands on: kind, distribution, root, suffix of the directories."""
    kind, distro, root, suffix = arguments[:4]
    return Place(Path(root), kind == "installed", distro, suffix)
