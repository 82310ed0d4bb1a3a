"""The embedded networks in eight-bit numbers, for processors that multiply bytes well."""
