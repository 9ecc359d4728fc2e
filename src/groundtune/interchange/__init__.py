"""Foreign layouts, one file a layout, both ways. No torch here."""
