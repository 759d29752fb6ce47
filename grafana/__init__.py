"""What operators and analysts watch: Grafana's dashboards, as code.

The problem: a dashboard is a page of JSON that somebody clicked together. It names metrics and
columns that nobody checks, so it goes blank the day that one is renamed, and is not missed until
the night on which it is needed.

The naive way keeps the exported JSON. Its changes cannot be reviewed, each panel repeats what all
panels have in common, and a typo in a query is a panel without data.

The way taken: `boards` says what each dashboard shows, in terms of `panels`; `python -m grafana`
writes them to `dashboards/`, where Grafana is told to look (`provisioning/`). Tests hold the files
to the code, the queries to the catalogue of metrics (`streams/metrics.py`), and run every query
against the Prometheus and the ClickHouse of a node that has worked.
"""
