//! Decompression, capped.
