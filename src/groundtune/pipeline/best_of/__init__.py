"""`best-of`: the best of several answers, by a reward."""
