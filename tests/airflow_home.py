"""A throwaway AIRFLOW_HOME for this process, set when this is first imported.

Airflow looks only once, when it is imported, by whichever test that is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from include.settings import REPOSITORY

for _name in list(os.environ):
    if _name.startswith("AIRFLOW"):
        del os.environ[_name]

HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = str(HOME)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(REPOSITORY / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(REPOSITORY / "plugins")
