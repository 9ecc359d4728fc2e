"""`bench`: generate answers, score them, download data, export scores."""
