"""The archive of `sustainml report`: collected, packed, read."""
