"""Environments of containers."""

from fixtures.environment import Environments, Variable
from fixtures.objects import Json


def test_of_two_variables_with_one_name_the_last_one_counts() -> None:
    reference = {"name": "s", "key": "k"}
    spec: Json = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": reference}}, {"name": "A", "value": "literal"}]}

    class Cluster:
        def secret(self, name: str) -> dict[str, str]:
            return {"k": f"value of {name}"}

    environments = Environments(Cluster())  # type: ignore[arg-type]
    assert environments.of(spec) == {"A": Variable("literal")}
    spec["env"].reverse()
    assert environments.of(spec) == {"A": Variable("value of s", "secret/s#k")}
