"""In: traces of one callable. Out: programs that make its requests, as a learned template."""
