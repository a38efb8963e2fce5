"""How good the optimisation loop is: every problem of a file, against exhaustive search."""
