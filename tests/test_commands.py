"""What the README's commands print."""

from fixtures.observations.commands import PARSER_LINE


def test_lines_of_the_parser() -> None:
    assert PARSER_LINE.search("INFO - Processing file /dags/x.py for tasks to queue")
    assert PARSER_LINE.search("ERROR - Failed to import: /dags/x.py")
    assert not PARSER_LINE.search("ERROR - something else")
