"""`label`, `pairs` and `splitter`: feedback on answers, and pairs from it."""
