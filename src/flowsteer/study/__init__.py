"""Studies: arms, worlds and seeds, each a training run; executor swaps; their figures and reports."""
