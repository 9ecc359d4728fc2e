"""How good a project's work is: agreement, known results, time, cost and each person's habits."""
