"""Sets of instruments for what trading engines have in common: `sets("orders", "system")`."""
