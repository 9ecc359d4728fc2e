"""Stages spread over local processes or a Ray cluster."""
