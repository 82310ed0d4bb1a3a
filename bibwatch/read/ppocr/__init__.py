"""The embedded engine: PP-OCRv6 small, with the models that the rapidocr package carries."""
