//! Certificates somebody else keeps.
