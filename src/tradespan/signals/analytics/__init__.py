"""Trading statistics: pure arithmetic on what callers give, no clock, no instruments."""
