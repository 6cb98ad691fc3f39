"""What several test suites share; nothing here is imported by the product."""
