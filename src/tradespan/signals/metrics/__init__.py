"""Counters, gauges and histograms, whose cells lie in the mapped metric page."""
