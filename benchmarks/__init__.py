"""Measurements over stub engines with known costs: what acceleration gains, and what it costs."""
