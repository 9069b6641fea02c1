"""What strangers send to a public demo: drivers that attack it, and their fast tests."""
