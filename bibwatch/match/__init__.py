"""Which readings are bibs, and which links they ask for. Pure: no file, no database, no clock."""
