"""The command line: `sustainml …`."""
