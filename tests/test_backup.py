"""What is read from a dump of pg_dump."""

from fixtures.observations.backup import rows_of

DUMP = r"""
COPY public.alembic_version (version_num) FROM stdin;
1949afb29106
\.

COPY public.dag_run (id, dag_id) FROM stdin;
1	COPY public.fake (id) FROM stdin;\n
2	two
\.

COPY public."user" (id) FROM stdin;
\.

SELECT pg_catalog.setval('public.dag_run_id_seq', 2, true);
"""


def test_rows_are_counted_by_table() -> None:
    """A line of data is one row, whatever it says."""
    assert rows_of(DUMP) == {"alembic_version": 1, "dag_run": 2, "user": 0}
