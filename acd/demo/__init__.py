"""The demo: a campaign against `acd lab` on this machine, watched live.

    lab_process ─ files ─ leads ─▶ acd.app.open_engine ─▶ /metrics registry ─ figures ─▶ view

`run` joins them; `figures` and `view` are pure.
"""
