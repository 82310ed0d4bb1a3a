"""The notebook's engine: Faster R-CNN finds dossards, EasyOCR reads them in four passes."""
