"""The Director that was trained beforehand: its weights, and what reads them without a tensor library."""
