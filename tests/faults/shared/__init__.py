"""Models that several processes share, while what holds them, or who asks, is killed."""
