"""The annotation app: pages and a JSON API over one project."""
