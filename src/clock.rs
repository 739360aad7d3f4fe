//! Wall time as a value.
