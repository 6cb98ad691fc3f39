"""A small exchange on loopback: real prices, order entry, partial fills, and faults."""
