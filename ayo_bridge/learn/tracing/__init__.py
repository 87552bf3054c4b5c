"""In: what a followed call does. Out: its trace, each engine call at a stable call site."""
