"""Vector stores: one atomic publish in, ranked hits out; one adapter per file."""
