"""What a text says: the answer or the program in it, and when two answers are plainly the same."""
