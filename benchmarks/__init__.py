"""What tradespan costs, beside what others cost: ratios from one process and one run."""
