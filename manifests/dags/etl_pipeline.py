"""The README's use case "ETL Pipeline", completed so that it runs.

The README's snippet lacks `from airflow import DAG` and gives `...` where the DAG's arguments belong. Records come from
the run's configuration (`records`, a list of numbers); with `refuse: true` the transformation fails for good.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.exceptions import AirflowFailException
from airflow.operators.python import PythonOperator

default_args = {
    "owner": "airflow",
    "depends_on_past": False,
    "email": ["team@example.com"],
    "email_on_failure": False,
    "email_on_retry": False,
    "retries": 1,
    "retry_delay": timedelta(minutes=5),
}


def extract(**context):
    """Extract data from source: the numbers in the run's configuration."""
    records = (context["dag_run"].conf or {}).get("records", [1, 2, 3])
    print(f"extracted {len(records)} records")
    return records


def transform(**context):
    """Transform data: every number is doubled."""
    if (context["dag_run"].conf or {}).get("refuse"):
        raise AirflowFailException("conformance: this transformation is refused on purpose")
    return [2 * record for record in context["ti"].xcom_pull(task_ids="extract")]


def load(**context):
    """Load data to destination: how many there are, and their sum; the same again however often it runs."""
    records = context["ti"].xcom_pull(task_ids="transform")
    print(f"loaded {len(records)} records")
    return {"rows": len(records), "total": sum(records)}


with DAG(
    "etl_pipeline",
    default_args=default_args,
    description="Extract, transform, load",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001 - as in the README
    catchup=False,
    max_active_runs=4,
    tags=["example"],
) as dag:
    extract_task = PythonOperator(task_id="extract", python_callable=extract)
    transform_task = PythonOperator(task_id="transform", python_callable=transform)
    load_task = PythonOperator(task_id="load", python_callable=load)

    extract_task >> transform_task >> load_task
