"""In: learned templates. Out: files, without anything that could be one user's own text."""
