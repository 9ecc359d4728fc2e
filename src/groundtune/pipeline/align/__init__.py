"""`align`: rounds of AI feedback, and `rounds`, which compares several runs."""
