"""What this machine has for Groundtune, and what it lacks."""
