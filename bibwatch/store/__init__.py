"""The one SQLite file: photos, contents, jobs, readings, corrections, links."""
