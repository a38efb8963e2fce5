"""Endpoints that are announced but not received: when they are renewed."""

from __future__ import annotations

import itertools

from sustainml_orchestrator.node.reception_watch import SilenceWatch


def renewals(watch: SilenceWatch, seconds: range, received: dict[str, float]) -> list[int]:
    """Seconds at which the one endpoint is renewed."""
    return [now for now in seconds if watch.update({"gid": "/a"}, received, float(now))]


def test_one_that_was_never_received_is_renewed_without_end() -> None:
    times = renewals(SilenceWatch(6.0, 26.0), range(1, 10_000), {})
    assert times[:6] == [8, 19, 40, 81, 142, 203]
    assert times[-1] > 9_900 and {b - a for a, b in itertools.pairwise(times[4:])} == {61}


def test_one_that_is_received_is_left_alone() -> None:
    watch = SilenceWatch(6.0, 26.0)
    for now in range(1, 100):
        assert not watch.update({"gid": "/a"}, {"/a": float(now)}, float(now))


def test_one_that_falls_silent_has_the_time_of_its_lease() -> None:
    watch = SilenceWatch(6.0, 26.0)
    assert renewals(watch, range(1, 200), {"/a": 5.0}) == [32, 43, 64, 105, 166]


def test_one_that_was_received_again_has_the_time_of_its_lease_again() -> None:
    watch = SilenceWatch(6.0, 26.0)
    assert renewals(watch, range(1, 50), {"/a": 5.0}) == [32, 43]
    assert renewals(watch, range(50, 100), {"/a": 50.0}) == [77, 88]


def test_one_that_is_gone_is_forgotten() -> None:
    watch = SilenceWatch(6.0, 26.0)
    for now in range(1, 6):
        watch.update({"gid": "/a"}, {}, float(now))
    watch.update({}, {}, 6.0)
    assert renewals(watch, range(7, 15), {}) == [14]


def test_a_pause_of_this_process_is_not_a_silence_of_others() -> None:
    watch = SilenceWatch(6.0, 26.0)
    assert not watch.update({"gid": "/a"}, {}, 1.0)
    assert not watch.update({"gid": "/a"}, {}, 601.0)
    assert renewals(watch, range(602, 610), {}) == [608]
