"""The operator's command line: the same stages as the Dags, without a scheduler.

Each command returns a JSON object and prints it for people unless `--json` is given. Exit status:
0 done, 1 something is wrong (refused gate, failed evaluation, withheld deletions), 2 usage or
configuration, 130 interrupted.
"""
