"""bibwatch: watches folders of race photos, reads the bib numbers, keeps one folder of links per bib."""
