"""Import and export of foreign layouts, one file per layout. Imports no torch."""
