# A dag file of airflow that imports again, and brings no DAG.
