"""vLLM in this process: calls of many threads share one engine, which no two of them ever step."""
