"""Stage "reward": reward models of people's comparisons and corrections."""
