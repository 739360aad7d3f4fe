//! The door between the planes.
