"""The demo: ordinary LlamaIndex engines on a real vLLM and a real Postgres, with and without us."""
