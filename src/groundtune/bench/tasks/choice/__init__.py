"""Multiple choice: MMBench and MMStar."""
