"""Import and export: foreign layouts into a run's folder, and pairs out of one."""
