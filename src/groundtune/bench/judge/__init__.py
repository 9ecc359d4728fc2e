"""Judges: endpoints and recorded replies, their prompts, scores, cost and calibration."""
