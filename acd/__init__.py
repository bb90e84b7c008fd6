"""acd: an outbound-dialer campaign engine for call centres."""

__version__ = "0.1.0"
