"""Who is right: graders for math, qa and code, one and the same for training and evaluation."""
