"""What a training run would take, before it is started: assets, memory, commands."""
