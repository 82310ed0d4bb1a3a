"""The embedded engine: PP-OCRv6 small, with the models that the rapidocr package carries."""

import os

# ONNX Runtime sends statistics to its maker otherwise, and keeps files of its own below $HOME for that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
