"""A Postgres with pgvector that needs no installation."""

import subprocess

from ayo_bridge.serving.postgres import EmbeddedPostgres
from ayo_bridge.serving.postgres_install import find_install

with EmbeddedPostgres() as server:
    psql = find_install().bin / "psql"
    query = "CREATE EXTENSION IF NOT EXISTS vector; SELECT '[1,2]'::vector <-> '[1,4]'::vector"
    ran = subprocess.run(
        [psql, server.url, "-qAtc", query], capture_output=True, text=True, check=True
    )
assert ran.stdout.strip() == "2", ran
print("a distance by pgvector: 2")
