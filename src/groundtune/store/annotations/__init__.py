"""The annotation database: items, people's events on them, and who works on what.

SQLite in a project's folder, or PostgreSQL by URL. Events are only ever appended; what an annotator
says of an item is the replay of their events (`feedback/annotating.py`).
"""
