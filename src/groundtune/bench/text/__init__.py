"""Reading answers: words, objects, yes and no, choices."""
