"""Order journeys: from a tick to the last fill, whatever thread, process or run tells of it."""
