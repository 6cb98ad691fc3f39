"""The spool: records in mapped segment files. FORMAT.md is the specification."""
