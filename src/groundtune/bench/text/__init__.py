"""Rules that read answers: words, objects, yes and no, choices."""
