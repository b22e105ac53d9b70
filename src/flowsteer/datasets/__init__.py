"""Tasks with their references: public benchmarks, the authors' files, users' files, procedural and simulated tasks."""
