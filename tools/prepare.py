"""Makes the database of the local Airflow ready; run while no component of it does.

AIRFLOW_HOME=.airflow python -m tools.prepare
"""

from __future__ import annotations

import os
from pathlib import Path

from tools import load_settings
from tools.airflow_home import AirflowHome, write_private
from tools.console import run_program, say


def prepare_database() -> int:
    """Migrates the database if Airflow's version changed, and loads `airflow_settings.yaml`."""
    import airflow
    from airflow.utils import db

    home = AirflowHome(Path(os.environ["AIRFLOW_HOME"]))
    stamp = home.path / "migrated"
    if not (home.database.exists() and stamp.exists() and stamp.read_text() == airflow.__version__):
        db.initdb()
        write_private(stamp, airflow.__version__)
        say(f"database migrated to Airflow {airflow.__version__}")
    release_abandoned_jobs()
    return load_settings.main()


def release_abandoned_jobs() -> None:
    """Marks jobs of a killed Airflow as failed, so that the scheduler takes over their tasks now.

    Only valid while no component runs, which is so in `prepare_database`.
    """
    from airflow.jobs.job import Job, JobState
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(
            update(Job).where(Job.state == JobState.RUNNING).values(state=JobState.FAILED)
        )


if __name__ == "__main__":
    run_program(prepare_database, resume="make up")
