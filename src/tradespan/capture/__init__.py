"""What is kept of arguments, results and exceptions, and what is blacked out."""
