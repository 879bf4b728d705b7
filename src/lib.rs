//! Stillpoint.
