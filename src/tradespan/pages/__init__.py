"""Small mapped files whose cells a process changes in place, readable after any death."""
