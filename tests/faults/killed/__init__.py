"""Ingestion under kill -9: of the program, and of Postgres."""
