"""The spotter: a small network that only says where a bib number may be, taught by the embedded engine's large one."""
