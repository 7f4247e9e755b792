# A dag file of airflow that does not import. Without those two words in it, it would not even be parsed.
import conformance_module_that_does_not_exist
