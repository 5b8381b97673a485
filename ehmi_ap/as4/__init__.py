"""The AS4 protocol, sans-IO: bytes in, values out. No clock, no ids, no files of its own making."""
