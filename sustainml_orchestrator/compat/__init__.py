"""The HTTP server that the Qt front-end of the SustainML Framework expects."""
