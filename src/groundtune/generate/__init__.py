"""Answers and yes/no probabilities from models, in process or scripted."""
