"""From a file to readings: safe open and decode, the engines, and the child processes they run in."""
