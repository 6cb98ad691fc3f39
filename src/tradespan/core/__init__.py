"""What every room shares: records, protocols, errors, the guard, fork hooks."""
