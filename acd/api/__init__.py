"""The HTTP servers of the engine, on hypercorn under the engine's own trio run."""
