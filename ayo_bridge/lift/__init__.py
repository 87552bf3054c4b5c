"""In: a framework's objects. Out: module templates of them, and what follows their calls."""
