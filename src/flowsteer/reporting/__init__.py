"""Reports of runs: statistics, tables, plots and pages."""
