"""Write every board's JSON: `python -m dashboards`."""

from __future__ import annotations

from dashboards.render import BOARDS_FOLDER, rendered

for name, text in rendered().items():
    (BOARDS_FOLDER / name).write_text(text, encoding="utf-8")
