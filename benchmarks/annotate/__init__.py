"""Load and faults of the annotation app: many people, a server that is killed, no network."""
