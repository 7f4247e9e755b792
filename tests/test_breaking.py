"""In what order the faults of a release are worked."""

from fixtures.breaking import in_order
from tests.cases import case


def test_faults_by_hand_come_first_and_releases_of_their_own_last() -> None:
    own = case("B-02", inject={"overlay": {"a": 1}, "install": {}})
    overlay = case("GS-01")
    prepared = case("GS-12", inject={"overlay": {"a": 1}, "before": [{"sql": "x"}]})
    by_hand = case("MT-07", inject={"steps": [{"sql": "x"}]})
    assert in_order([own, overlay, prepared, by_hand]) == [by_hand, prepared, overlay, own]
