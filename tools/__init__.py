"""The programs behind `make`: installing, a local Airflow, and the demo."""
