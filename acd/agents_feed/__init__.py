"""Where agent states come from once a blind transfer has taken our own leg away."""
