"""Which models and prompt sources a setting names, their settings, and where models run."""
