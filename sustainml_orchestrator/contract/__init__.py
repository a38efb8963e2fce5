"""What every process shares: the module graph, message types, names, serialized messages."""
