"""`compare`: models, item by item."""
