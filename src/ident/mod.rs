//! The vocabulary: what a name, a lineage and an item are called.
//!
//! Nothing here knows keys, files or networks. Every value is valid from the moment it exists: a string
//! that is not a name stops at [`Fqdn::parse`] and never becomes a path or a look-up key.

mod fqdn;
mod item_id;
mod lineage;
mod name;
mod names;
mod printable;
mod provider;

pub use fqdn::{Fqdn, NameError};
pub use item_id::{IdError, ItemId};
pub use lineage::{Lineage, LineageId};
pub use name::Name;
pub use names::{Names, NamesError};
pub use printable::printable;
pub use provider::Provider;
