"""What was measured, as CSV files; and how the encoders were made, as recipes in YAML files."""
