//! Records that cannot be read.

use tracing::warn;

use super::Key;
use super::engine::{Engine, EngineError};

/// Moves a record that cannot be read out of the way, and says so. Where nothing can be changed it stays where it is.
pub(super) async fn set_aside(engine: &dyn Engine, record: &Key, why: &str) -> Result<(), EngineError> {
    match engine.set_aside(&record.as_prefix()).await {
        Ok(to) => warn!(place = %record, why, %to, "set aside"),
        Err(EngineError::ReadOnly { .. }) => warn!(place = %record, why, "damaged, and passed over"),
        Err(error) => return Err(error),
    }
    Ok(())
}
