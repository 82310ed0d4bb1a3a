"""The running whole: start, loop, stop, and what an error costs."""
