//! Who signs, and how control of a name is proved.
