"""What a run tells beforehand; whole runs are in test_plugin.py."""

from __future__ import annotations

from fixtures.catalogue import Requirement
from fixtures.run import left_untold
from fixtures.settings import Executor

LOOKS = Requirement("AF-X-001", "area", "MUST", tuple(Executor), reads=True)
ACTS = Requirement("AF-X-002", "area", "MUST", tuple(Executor))
DISTURBS = Requirement("AF-X-003", "area", "MUST", tuple(Executor), disruptive=True)
UPGRADES = Requirement("AF-X-004", "area", "MUST", tuple(Executor), runs=("upgrade",))


def test_what_the_caller_does_not_allow_is_told() -> None:
    assert left_untold([LOOKS, ACTS, DISTURBS], [LOOKS, ACTS], [LOOKS], [], "plain", "") == {
        "not judged without DISRUPTIVE=1, because it disturbs the deployment": ["AF-X-003"],
        "not judged with READONLY=1, because looking is not enough": ["AF-X-002"],
    }


def test_what_was_named_in_vain_is_told() -> None:
    assert left_untold([LOOKS], [LOOKS], [LOOKS], [LOOKS, UPGRADES], "plain", "") == {
        "named in ID, and not judged in this run (add SCENARIO=upgrade)": ["AF-X-004"],
    }


def test_nothing_is_told_where_nothing_is_left_out() -> None:
    assert left_untold([LOOKS, ACTS], [LOOKS, ACTS], [LOOKS, ACTS], [LOOKS], "plain", "") == {}
