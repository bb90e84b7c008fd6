"""Grafana boards as small functions on Grafana's own SDK, rendered to the JSON beside them.

`python -m dashboards` writes `grafana/boards/*.json`; a test proves that they are fresh.
"""
