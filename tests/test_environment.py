"""Environments of containers."""

import pytest

from fixtures.environment import Environments, Variable
from fixtures.objects import Json


class Cluster:
    """Has one Secret and one ConfigMap."""

    def secret(self, name: str) -> dict[str, str]:
        return {"password": f"of {name}", "user": "somebody"}

    def config_map(self, name: str) -> dict[str, str]:
        return {"HOST": f"host-of-{name}"}


def taken(name: str, key: str, of: str = "secret") -> Json:
    """An entry that takes its value from an object `s`."""
    return {"name": name, "valueFrom": {f"{of}KeyRef": {"name": "s", "key": key}}}


def test_of_two_variables_with_one_name_the_last_one_counts() -> None:
    reference = {"name": "s", "key": "password"}
    spec: Json = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": reference}}, {"name": "A", "value": "literal"}]}
    environments = Environments(Cluster())  # type: ignore[arg-type]
    assert environments.of(spec) == {"A": Variable("literal")}
    spec["env"].reverse()
    assert environments.of(spec) == {"A": Variable("of s", "secret/s#password")}


COMPOSED = "db://$(USER):$(PASSWORD)@$(HOST)"


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        (COMPOSED, Variable("db://somebody:of s@host-of-s", "secret/s#user", composed=True)),
        ("http://$(HOST)/", Variable("http://host-of-s/", "configmap/s#HOST", composed=True)),
        ("$(LATER) and $(NOBODY)", Variable("$(LATER) and $(NOBODY)", composed=True)),
        ("$(PLAIN)!", Variable("text!", composed=True)),
        ("$$(USER) costs $5", Variable("$(USER) costs $5")),
    ],
)
def test_a_text_may_name_variables_that_come_before_it(text: str, variable: Variable) -> None:
    """As the kubelet has it; whoever names a part of a Secret holds something of that Secret."""
    entries = [
        taken("USER", "user"),
        taken("PASSWORD", "password"),
        {"name": "PLAIN", "value": "text"},
        {"name": "IT", "value": text},
        {"name": "LATER", "value": "too late"},
    ]
    spec: Json = {"env": entries, "envFrom": [{"configMapRef": {"name": "s"}}]}
    environments = Environments(Cluster())  # type: ignore[arg-type]
    assert environments.of(spec)["IT"] == environments.variable(spec, "IT") == variable
    assert variable.is_known is ("NOBODY" not in text)


def test_a_part_that_the_kubelet_makes_leaves_the_whole_unknown() -> None:
    """The address of the node, for example, is another one in every pod."""
    field = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
    spec: Json = {"env": [field, {"name": "IT", "value": "udp://$(NODE)"}]}
    variable = Environments(Cluster()).variable(spec, "IT")  # type: ignore[arg-type]
    assert variable == Variable("udp://$(NODE)", composed=True) and not variable.is_known
