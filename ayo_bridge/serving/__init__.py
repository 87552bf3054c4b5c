"""In: the model, or the database, to serve. Out: a server of our own, ended in order."""
