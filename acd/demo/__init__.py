"""The demo: a campaign against `acd lab` on this machine, watched live.

    leads ─▶ files ─┐
    lab_process ────┴─▶ acd.app.open_engine ─▶ registry behind /metrics ─▶ figures ─▶ view

`run` joins them; `figures` and `view` are pure.
"""
