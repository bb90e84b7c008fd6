"""Alembic migrations, packaged with the program and run by `acd.store.versions`."""
