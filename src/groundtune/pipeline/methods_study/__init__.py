"""`methods-study`: several ways of training next to each other, each searched equally."""
