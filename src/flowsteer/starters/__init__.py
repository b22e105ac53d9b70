"""Small packages that `flowsteer init` writes; a file `X.txt` here becomes `X` there."""
