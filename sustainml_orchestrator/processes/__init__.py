"""Child processes: the fork server, and the supervisor that starts and restarts nodes."""
