"""Instrumentors for libraries that traders use, for any user of OpenTelemetry."""
