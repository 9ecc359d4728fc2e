"""The folder of a run: its data sets, its steps, how it was made, and how it resumes."""
