"""How far people agree who judged the same answers: sums per answer, and coefficients of them."""
