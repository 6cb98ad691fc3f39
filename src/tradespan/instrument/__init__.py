"""Capture: our tracer on the public OpenTelemetry API, `@monitor`, and any code by regex."""

# First of all: it chooses the context runtime before anything else imports OpenTelemetry's.
from tradespan.instrument import context as context
