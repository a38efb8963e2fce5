"""Sizes of pictures that a text names, such as 1080p, 4K or 640 x 480."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LINES = {"480": 854, "720": 1280, "1080": 1920, "1440": 2560, "2160": 3840, "4320": 7680}
_THOUSANDS = {"2": (2048, 1080), "4": (3840, 2160), "8": (7680, 4320)}
_NAMES = {"full hd": (1920, 1080), "fullhd": (1920, 1080), "uhd": (3840, 2160),
          "ultra hd": (3840, 2160), "vga": (640, 480), "qvga": (320, 240)}  # fmt: skip
#: What follows "4K" where it is a size: elsewhere it is four thousand.
_SHOWN = (
    r"uhd|resolution|auflosung|resolucion|video|film|footage|stream|camera|kamera|camara|telecamera"
    r"|webcam|drone|dashcam|cctv|display|screen|monitor|tv|aufnahme|grabacion"
)
_KINDS = r"(?:product|short|security|surveillance|drone|traffic|sports)"
#: These may be counted, too, where a period follows: "4K pictures a day".
_COUNTED = r"image|picture|photo|frame|bild|foto|imagen|immagin"
_PERIOD = r"[^.,;]{0,20}? (?:per|an?|each|every|pro|por|par|al|je) "
#: Of a slide of pathology there may be 100,000.
_SIDE = r"\d{1,3}[.,]\d{3}|\d{2,6}"
_SIZE = re.compile(
    rf"(?<![\w.,])(?:({_SIDE}) ?(?:x|×|by) ?({_SIDE})(?: ?(?:px|pixels?))?(?![\w%]| ?(?:[cm]?m|x) )"
    rf"|({'|'.join(_LINES)})p(?!\w)"
    rf"|([248])k(?= (?:live |colou?r |dash|{_KINDS} )?(?:{_SHOWN})|-(?:{_SHOWN})"
    rf"| (?:{_COUNTED})\w*\b(?!{_PERIOD}))(?: uhd)?"
    rf"|(?<=\bin )([248])k(?=[.,;!?]|$| (?:on|at|with|and|from|auf|mit) )"
    rf"|({'|'.join(_NAMES)})(?!\w)"
    r"|(\d{1,3}(?:[.,]\d)?)[ -]?(?:mp|mpx|mpix|megapixels?|megapixeln?)(?!\w))"
)
#: Width and height of a picture of a megapixel, at 4 : 3, in pixels.
_MEGAPIXEL = (1155, 866)
#: Larger ones are no pictures.
_MOST = 500_000


@dataclass(frozen=True)
class Resolution:
    """Width and height in pixels."""

    width: int
    height: int
    surface: str  #: as it stands in the folded text


def resolutions(text: str) -> list[Resolution]:
    """The sizes of pictures that a folded text names, in its order."""
    return [found for match in _SIZE.finditer(text) if (found := _read(match))]


#: "240x240x155 voxels"
_VOLUME = re.compile(
    r"(?<![\w.,])(\d{2,4}) ?[x×] ?(\d{2,4}) ?[x×] ?(\d{2,4})(?: voxels?)?(?![\w%])"
)


def voxels(text: str) -> tuple[str, str]:
    """The sides of a volume that a folded text names, such as 240x240x155, and where they stand."""
    found = _VOLUME.search(text)
    return ("x".join(found.groups()), found.group()) if found else ("", "")


def without(text: str, found: list[Resolution]) -> str:
    """A folded text without these sizes: "4k" there is no number of things."""
    for each in found:
        text = re.sub(rf"(?<![\w.,]){re.escape(each.surface)}(?!\w)", " ", text)
    return text


def _read(match: re.Match[str]) -> Resolution | None:
    across, down, lines, thousands, also_thousands, name, mega = match.groups()
    if mega:
        size = math.sqrt(float(mega.replace(",", ".")))
        width, height = (round(side * size) for side in _MEGAPIXEL)
    elif lines:
        width, height = _LINES[lines], int(lines)
    elif thousands or also_thousands:
        width, height = _THOUSANDS[thousands or also_thousands]
    elif name:
        width, height = _NAMES[name]
    else:
        width, height = (int(re.sub(r"\D", "", side)) for side in (across, down))
    if not (min(width, height) >= 16 and max(width, height) <= _MOST):
        return None
    return Resolution(width, height, match.group().strip())
