"""What `sustainml doctor` looks at, one file for each part of the system."""
