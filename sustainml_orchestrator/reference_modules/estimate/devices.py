"""The catalogue of devices as typed values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.measured import OfDevice

CLASSES = ("microcontroller", "edge", "mobile", "cpu", "gpu", "fpga", "pim")
#: Words that name a class beside its own name.
_CLASS_WORDS = {
    "mcu": "microcontroller",
    "tinyml": "microcontroller",
    "embedded": "edge",
    "phone": "mobile",
    "smartphone": "mobile",
    "processor": "cpu",
    "server": "cpu",
    "graphics card": "gpu",
    "cloud": "gpu",
    "data center": "gpu",
    "datacenter": "gpu",
    "processing in memory": "pim",
}


@dataclass(frozen=True)
class Efficiency:
    """How much of the theoretical peaks an engine attains with one inference at a time."""

    compute: float  #: share of peak operations per second
    bandwidth: float  #: share of peak bytes per second
    overhead_s: float  #: seconds per pass for dispatch and synchronisation
    load: float  #: share of (max - idle) power drawn while busy
    uncertainty: float  #: latency lies between estimate / factor and estimate x factor
    dispatch_s: float = 0.0  #: seconds in which a framework launches one operation
    waiting: float = 0.0  #: share of (max - idle) power drawn while waiting for a launch
    op_s: float = 0.0  #: seconds per operation of a pass
    sync_s: float = 0.0  #: seconds to share an operation among cores, if it is large enough
    trees_s: float = 0.0  #: seconds per call of an ensemble of trees; 0 = as any other model


#: Share of the memory that the operating system and other programs keep, by class, and the most in
#: MiB. Assumed; Android and iOS end an app that takes more than about half.
_SYSTEM_SHARE = {"cpu": 0.25, "edge": 0.25, "mobile": 0.5}
_MOST_OF_SYSTEM = 8192.0


@dataclass(frozen=True)
class Device:
    """One entry of the catalogue."""

    name: str
    device_class: str  #: one of CLASSES
    aliases: tuple[str, ...]
    peak: Mapping[str, float]  #: operations per second by precision
    bandwidth: float  #: bytes per second
    memory_mib: float
    cache_mib: float  #: for activations, and weights that cost no bandwidth
    idle_w: float
    max_w: float
    efficiency: Efficiency
    simulated: bool  #: known from simulation only
    source: tuple[str, ...]
    checked: str = ""  #: day on which the figures were compared with the source; empty = never
    flash_mib: float = 0.0  #: for the weights, where they stay out of memory_mib; 0 = no such
    runtime: str = ""  #: what runs models on it
    operators: frozenset[str] = frozenset()  #: that the runtime executes; none = all
    measured: OfDevice = field(default_factory=dict)  #: by the user, of models on it
    generic: tuple[str, ...] = ()  #: names that it shares with other products
    near: tuple[str, ...] = ()  #: names of kin, for which it is no replacement
    power_of: str = ""  #: what of it the power is of, such as "board"
    place: str = ""  #: server or office; empty for what stands in neither
    least_mode_w: float = 0.0  #: its power modes begin there; 0 = it has none

    @property
    def usable_mib(self) -> float:
        """Memory in MiB for a model: the operating system and other programs take a part of it."""
        whole = _SYSTEM_SHARE["cpu"] if self.power_of.endswith("whole computer") else 0.0
        share = _SYSTEM_SHARE.get(self.device_class, whole)
        if not share or self.flash_mib or "without its host" in self.power_of:
            return self.memory_mib
        return self.memory_mib - min(share * self.memory_mib, _MOST_OF_SYSTEM)

    def within(self, watts: float) -> Device:
        """Itself in the power mode for a budget; as it is where it has none.

        Rates fall as the power above idle does, which is a little too strict: voltage falls too.
        """
        if not 0 < self.least_mode_w <= watts < self.max_w:
            return self
        share = (watts - self.idle_w) / (self.max_w - self.idle_w)
        peak = {precision: rate * share for precision, rate in self.peak.items()}
        return replace(self, peak=peak, bandwidth=self.bandwidth * share, max_w=watts)

    def rate(self, precision: str) -> float:
        """Peak operations per second with weights of that precision, 0 if it cannot use them.

        Integer weights can be held on any device that computes in floating point: they are widened
        on the way.
        """
        if precision in self.peak or not precision.startswith("int"):
            return self.peak.get(precision, 0.0)
        return max((rate for p, rate in self.peak.items() if p.startswith("fp")), default=0.0)


class DeviceCatalogue:
    """All devices, found by name, alias or class."""

    def __init__(
        self, data: Mapping[str, Any], measured: Mapping[str, OfDevice] | None = None
    ) -> None:
        """Read the parsed `hardware.yaml`.

        Args:
            data: what it holds.
            measured: the user's measurements, by the name of the device.

        Raises:
            ValueError: an entry is incomplete, naming it and the key.
        """
        known = measured or {}
        read = (_read(entry, data) for entry in data["devices"])
        self.devices = tuple(replace(d, measured=known.get(d.name, {})) for d in read)
        self._by_name: dict[str, tuple[Device, ...]] = {}
        for word, device_class in {**{c: c for c in CLASSES}, **_CLASS_WORDS}.items():
            members = tuple(d for d in self.devices if d.device_class == device_class)
            self._by_name[_plain(word)] = self._by_name[_plain(word + "s")] = members
        for device in self.devices:
            for alias in (device.name, *device.aliases, *device.generic):
                self._by_name[_plain(alias)] = (device,)
        self._generic = {_plain(name) for device in self.devices for name in device.generic}

    def find(self, name: str) -> tuple[Device, ...]:
        """The devices of a name, an alias (one) or a class (many); none if it is unknown."""
        return self._by_name.get(_plain(name), ())

    def is_generic(self, name: str) -> bool:
        """Whether other products share the name of the device that it stands for."""
        return _plain(name) in self._generic

    def resolve(self, names: Iterable[str]) -> tuple[list[Device], list[str]]:
        """Devices for a list of names and the names that are unknown; all that exist for none."""
        wanted = named(names)
        if not wanted:
            return [device for device in self.devices if not device.simulated], []
        found = {device.name: device for name in wanted for device in self.find(name)}
        return list(found.values()), [name for name in wanted if not self.find(name)]

    def similar(self, name: str, count: int = 3) -> list[str]:
        """Names close to an unknown one."""
        words = {_plain(a): d.name for d in self.devices for a in (d.name, *d.aliases)}
        close = difflib.get_close_matches(_plain(name), words, count * 2, 0.4)
        return list(dict.fromkeys(words[key] for key in close))[:count]

    def nearest(self, name: str, device_class: str, count: int = 3) -> list[str]:
        """The devices of a class whose names come closest to one that is unknown."""
        plain = _plain(name)
        members = [d for d in self.devices if d.device_class == device_class and not d.simulated]

        def close(device: Device) -> tuple[int, float]:
            names = (device.name, *device.aliases, *device.generic, *device.near)
            return max(_closeness(plain, _plain(each)) for each in names)

        return [d.name for d in sorted(members, key=close, reverse=True)[:count]]


def _closeness(name: str, other: str) -> tuple[int, float]:
    words = len(set(name.split()) & set(other.split()))
    return words, difflib.SequenceMatcher(None, name, other).ratio()


def not_in_catalogue(name: str, close: list[str]) -> str:
    """What is said of a name that no device has."""
    nearest = f"; nearest are {', '.join(close)}" if close else ""
    return f"{name!r} is not in the catalogue{nearest}"


def named(names: Iterable[str]) -> list[str]:
    """Names that ask for something: neither blank nor the "(empty)" of front-ends' menus."""
    return [name for name in names if _plain(name) not in ("", "empty")]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]+", " ", name.casefold()).strip()


def _read(entry: Mapping[str, Any], data: Mapping[str, Any]) -> Device:
    try:
        if entry["class"] not in CLASSES:
            raise ValueError(f"class {entry['class']!r} is none of {', '.join(CLASSES)}")
        power, engine = entry["power"], dict(data["engines"][entry["engine"]])
        name = engine.pop("runtime", "")
        runtime = data.get("runtimes", {}).get(entry.get("runtime", name), {})
        return Device(
            name=entry["name"],
            device_class=entry["class"],
            aliases=tuple(entry["aliases"]),
            peak={precision: float(rate) for precision, rate in entry["peak"].items()},
            bandwidth=float(entry["bandwidth"]),
            memory_mib=float(entry["memory_mib"]),
            cache_mib=float(entry.get("cache_mib", 0.0)),
            idle_w=float(power["idle"]),
            max_w=float(power["max"]),
            efficiency=Efficiency(**{**engine, **entry.get("efficiency", {})}),
            simulated=bool(entry.get("simulated", False)),
            source=tuple(entry["source"]),
            checked=str(entry.get("checked", "")),
            flash_mib=float(entry.get("flash_mib", 0.0)),
            runtime=runtime.get("name", ""),
            operators=frozenset(runtime.get("operators", ())),
            generic=tuple(entry.get("generic", ())),
            near=tuple(entry.get("near", ())),
            power_of=str(entry.get("power_of", "")),
            place=str(entry.get("place", "")),
            least_mode_w=float(entry.get("least_mode_w", 0.0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"device {entry.get('name', '?')}: {catalog.mistake(error)}") from error
