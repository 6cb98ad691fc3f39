"""Records ↔ bytes, and records → OTLP."""
