"""What a step of the set-up was made from, so that it is made again only when that has changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(words: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Fingerprint of words and of the names and contents of files; times of change do not count."""
    fingerprint = hashlib.sha256()
    for word in words:
        fingerprint.update(word.encode() + b"\0")
    for file in sorted(files):
        content = file.read_bytes()
        fingerprint.update(f"{file}\0{len(content)}\0".encode() + content)
    return fingerprint.hexdigest()


class Stamp:
    """A file that says from what something was made; it is there only while that thing is whole."""

    def __init__(self, file: Path, fingerprint: str) -> None:
        """Compare `file` with `fingerprint`; nothing is touched."""
        self._file = file
        self._fingerprint = fingerprint

    @property
    def whole(self) -> bool:
        """Whether the step once ended, from whatever it was made."""
        return self._file.exists()

    @property
    def fresh(self) -> bool:
        """Whether the step was made from what is there now."""
        return self.whole and self._file.read_text() == self._fingerprint

    def lift(self) -> None:
        """Call before the step begins: if it is interrupted, the next run sees it."""
        self._file.unlink(missing_ok=True)

    def press(self) -> None:
        """Call after the step has ended well."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._fingerprint)
