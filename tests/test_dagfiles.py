"""Reading DAG files."""

import pytest

from fixtures.dagfiles import mails_wanted, moving_start_dates, same_code, undocumented_callables


@pytest.mark.parametrize(
    "text",
    [
        "DAG('d', start_date=datetime.now())",
        "DAG('d', start_date=days_ago(2))",
        "default_args = {'start_date': pendulum.today('UTC').add(days=-1)}",
        "start = datetime.utcnow() - timedelta(days=1)\nDAG('d', start_date=start)",
    ],
)
def test_a_start_date_that_moves(text: str) -> None:
    assert len(moving_start_dates(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "DAG('d', start_date=datetime(2024, 1, 1))",
        "DAG('d', start_date=pendulum.datetime(2024, 1, 1, tz='UTC'))",
        "now = datetime.now()\nDAG('d', start_date=START)",
        "DAG('d'",
    ],
)
def test_a_start_date_that_stays(text: str) -> None:
    assert moving_start_dates(text) == []


def test_a_callable_without_docstring() -> None:
    text = "def a():\n    pass\ndef b():\n    'b'\nPythonOperator(python_callable=a)\nPythonOperator(python_callable=b)"
    assert undocumented_callables(text) == ["a"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("default_args = {'email_on_failure': True, 'email_on_retry': False}", ["email_on_failure"]),
        ("PythonOperator(task_id='a', email_on_retry=True)", ["email_on_retry"]),
        ("default_args = {'email_on_failure': False, 'email_on_retry': PRODUCTION}", []),
        ("default_args = {}", []),
        ("default_args = {", []),
    ],
)
def test_arguments_that_ask_for_mails(text: str, wanted: list[str]) -> None:
    assert mails_wanted(text) == wanted


def test_comments_and_layout_make_no_other_version() -> None:
    one = "# License\ndag = DAG('d', schedule=None)\n"
    assert same_code(one, 'dag = DAG(\n    "d",\n    schedule=None,\n)')
    assert not same_code(one, "dag = DAG('d', schedule='@daily')")
    assert not same_code("DAG('d'", "DAG('d'")
