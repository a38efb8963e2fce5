"""What HTTP servers of this package share, and the REST interface."""
