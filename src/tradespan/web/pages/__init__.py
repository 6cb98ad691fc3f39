"""One file per page: what it shows first, as Dash components."""
