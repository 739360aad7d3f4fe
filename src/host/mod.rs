//! The machine around us.
