"""The audit log: who did what to safety, configuration and orders, in files that stay."""
