"""The HTTP servers of the engine, on hypercorn under the engine's own trio run.

`server` listens; `app` is the API for desktops and CRMs, whose endpoints stand in `agents`,
`campaigns` and `leads`; `access` knows who may do what, `stream` tells what happens. What the
endpoints need of the engine is the Protocol in `office`, which `acd.app` fulfils.
"""
