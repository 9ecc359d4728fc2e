"""`bench`: generating answers, scoring them, fetching data, exporting scores."""
