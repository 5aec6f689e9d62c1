"""Everything that knows Airflow: assets, shared Dag arguments and the bodies of the tasks."""
