"""What things are: records, API models, Arrow schemas and catalog migrations."""
