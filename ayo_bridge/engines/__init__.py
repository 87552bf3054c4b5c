"""In: calls. Out: their results, from real engines whose libraries load only when used."""
