"""Carbon intensity of electricity by region, from the data files of the codecarbon package.

The files are read where the package lies; codecarbon itself is never imported (its trackers start
threads and read sensors). Numbers follow codecarbon: the country's own intensity where given, eGRID
rates for the United States, the mix of sources for Canadian provinces, published factors for
Chinese provinces and Nordic bidding zones.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.requirements import quoted

_GRAMS_PER_POUND = 453.59237
#: codecarbon's names of the sources in the Canadian file -> those in its table of intensities.
_CANADIAN_SOURCES = {"naturalGas": "natural_gas", "hydro": "hydroelectricity"}


#: Characters of a text that are looked at.
_MAX_TEXT = 20_000
#: Names of countries shorter than any word that could be mistaken for one.
_SHORT = frozenset({"UK", "US", "USA", "UAE"})
#: A place that stands alone between commas: "..., Finland."
_ALONE = re.compile(r"[,;]\s*((?:[^\W\d_][\w'’-]*[ ]?){1,3})(?=[.,;]|\s*$)")
#: A place: up to four words after "in", in seven languages.
_IN = re.compile(
    r"\b(?:[Ii]n|[Ee]n|[Àà]|[Ee]m|[Aa]ux?|[Ii]m|[Nn]el|[Aa]cross|[Ll]eave|[Tt]hroughout"
    r"|[Ee]lectricity from|[Ss]trom aus|[Aa]ll of|[Gg]anz)\s+"
    r"(?:the |der |den |la |los |las |le |les |o |a |os |as )?(?=((?:[^\W\d_][\w'’.-]*[ ]?){1,4}))"
)


#: The regions of providers of machines: eu-central-1, europe-west4, westeurope.
_CLOUD = re.compile(
    r"\b(?:[a-z]{2}-[a-z]+-\d|[a-z]+-[a-z]+\d{1,2}"
    r"|[a-z]+(?:north|south|east|west|central|europe|india|us)2?)\b"
)


@dataclass(frozen=True)
class Intensity:
    """Carbon intensity of one region."""

    g_per_kwh: float  #: gCO2e per kWh
    region: str  #: what it was taken for, "world" for the mean of all
    known: bool  #: False where the world's mean stands in
    note: str = ""  #: how it was found; empty when the region was named exactly
    year: int = 0  #: to which it applies; 0 = unknown

    @property
    def text(self) -> str:
        """The intensity with region and year, for people."""
        where = "the world's mean" if not self.known else self.region
        return f"{self.g_per_kwh:.0f} gCO2e/kWh ({where}{f', {self.year}' if self.year else ''})"


class CarbonRegions:
    """Looks regions up by the names in which people write them."""

    def __init__(self, data: Path | None = None) -> None:
        """Read the data files (of the installed codecarbon unless given).

        Raises:
            FileNotFoundError: codecarbon is not installed or its files have moved.
        """
        root = (data or _data_path()) / "private_infra"
        sources = _json(root / "carbon_intensity_per_source.json")
        self.world_mean = float(sources["world_average"])
        self._countries = {
            code: (entry["country_name"], float(entry["carbon_intensity"]), entry.get("year", 0))
            for code, entry in _json(root / "global_energy_mix.json").items()
            if entry.get("carbon_intensity") is not None
        }
        self._regions = _regions(root, sources)
        self._states: dict[str, str] = {}
        self._names = {_plain(name): code for code, (name, *_) in self._countries.items()}
        self._names |= {code.casefold(): code for code in self._countries}
        places = catalog.load("countries")
        for code, others in (*places["countries"].items(), *places["places"].items()):
            if code in self._countries:
                for name in others:
                    self._names.setdefault(_plain(name), code)
        listed = (*places["places"].values(), *places["states"].values())
        self._clouds = {name for names in listed for name in names if name.islower()}
        for state, others in places["states"].items():
            self._states |= {_plain(name): state for name in others}

    @property
    def names(self) -> list[str]:
        """Countries and smaller regions, as one may write them, sorted."""
        smaller = {name for name in self._regions if not name.startswith("us ")}
        return sorted({name for name, *_ in self._countries.values()} | smaller)

    def find(self, region: str, continent: str = "") -> Intensity:
        """Intensity of a region; the world's mean, saying so, when it is unknown.

        Args:
            region: a country (English or native name, ISO 3166 code), a state of the US, a
                province of Canada or China, a Nordic bidding zone, or several of these separated
                by commas, the most exact winning.
            continent: used only to say why the mean was taken.
        """
        parts = [_plain(part) for part in (region, *region.replace("/", ",").split(","))]
        parts = [self._states.get(part, part) for part in parts if part]
        if not parts:
            where = f" for {continent}" if continent.strip() else ""
            return Intensity(
                self.world_mean, "world", False, f"no region given; world mean{where}", 2018
            )
        countries = [self._names[part] for part in parts if part in self._names]
        for part in parts:
            # A word that names a country too, as Georgia does, is a state only beside its country.
            if part in self._regions and (part not in self._names or "USA" in countries):
                return Intensity(self._regions[part], part, True, year=_year(part))
            if "USA" in countries and f"us {part}" in self._regions:
                return Intensity(self._regions[f"us {part}"], part, True, year=2023)
        if countries:
            name, value, year = self._countries[countries[0]]
            return Intensity(value, name, True, year=year)
        words = [name for name in {**self._names, **self._regions} if len(name) > 3]
        close = difflib.get_close_matches(parts[0], words, 3, 0.75)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        note = f"region {quoted(region.strip())} unknown; world mean{hint}"
        return Intensity(self.world_mean, "world", False, note, 2018)

    def knows(self, name: str) -> bool:
        """Whether a name is one of a country, a smaller region or a city."""
        return any(_plain(name) in each for each in (self._names, self._regions, self._states))

    def in_text(self, text: str) -> Intensity | None:
        """The first country or smaller region in which a text says that something is."""
        head = text[:_MAX_TEXT]
        for match in _CLOUD.finditer(head):
            if match[0] in self._clouds:
                return self.find(match[0])
        for match in (*_IN.finditer(head), *_ALONE.finditer(head)):
            words = match.group(1).split()
            # What stands alone is a place as a whole.
            for count in range(len(words), 0 if match.re is _IN else len(words) - 1, -1):
                name = " ".join(words[:count]).strip(".,;:!?()'\"")
                if self.knows(name) and name[:1].isupper() and (len(name) > 3 or name in _SHORT):
                    return self.find(name)
        return None


def _year(region: str) -> int:
    """Of the data of smaller regions: the Nordic bidding zones are of 2025, the others of 2023."""
    return 2025 if region[-1:].isdigit() else 2023


def _regions(root: Path, sources: Mapping[str, Any]) -> dict[str, float]:
    regions: dict[str, float] = {}
    for name, entry in _json(root / "2023" / "usa_emissions.json").items():
        if "emissions" in entry and not name.startswith("_") and name != "usa":
            rate = entry["emissions"] * _GRAMS_PER_POUND / 1000.0  # lb/MWh -> g/kWh
            regions[name] = regions[f"us {entry['regionCode'].casefold()}"] = rate
    for name, mix in _json(root / "2023" / "canada_energy_mix.json").items():
        shares = {_CANADIAN_SOURCES.get(k, k): v for k, v in mix.items() if k != "total"}
        known = {k: v for k, v in shares.items() if isinstance(sources.get(k), (int, float))}
        if sum(known.values()) > 0:
            weighted = sum(share * sources[k] for k, share in known.items())
            regions[name] = weighted / sum(known.values())
    for province in _json(root / "2023" / "china_provincial_emissions.json")["data"].values():
        for name in province["names"]:
            regions[_plain(name)] = float(province["emission_factor"])
    for zone, entry in _json(root / "nordic_emissions.json")["data"].items():
        if zone[-1].isdigit():
            regions[zone.casefold()] = float(entry["emission_factor"])
    return regions


def _data_path() -> Path:
    spec = importlib.util.find_spec("codecarbon")  # finds the package without running it
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the codecarbon package, whose data are read, is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold().strip())
    kept = "".join(c for c in letters if not unicodedata.combining(c))
    return " ".join(kept.replace(".", "").replace("\u2019", "'").replace("-", " ").split())
