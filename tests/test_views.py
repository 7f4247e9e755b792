"""What Airflow's views say of a run."""

from fixtures.observations.views import grid_states


def test_the_grid_is_read_through_its_groups() -> None:
    leaf = {"id": "group.a", "instances": [{"run_id": "r", "state": "success"}, {"run_id": "s", "state": "failed"}]}
    group = {"id": "group", "instances": [{"run_id": "r", "state": "success"}], "children": [leaf]}
    assert grid_states({"groups": {"id": None, "children": [group]}}, "r") == {"group.a": "success"}
