"""Replicas that are killed and come back while they are asked."""
