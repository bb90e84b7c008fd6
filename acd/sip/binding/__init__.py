"""The recipe for the pjsua2 binding: `build.py` runs by path, before any environment exists."""
