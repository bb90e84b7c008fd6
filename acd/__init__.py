"""acd: an outbound-dialer campaign engine for call centres."""
