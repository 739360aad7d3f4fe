//! One order at a time proves a name.
//!
//! Two orders for the same name want different answers in the same place: a hello for tls-alpn-01 carries the name
//! only, so one certificate can hang there at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::ident::{Name, Names};

/// Who is at it, name by name.
#[derive(Debug, Default)]
pub struct Turns {
    by_name: StdMutex<HashMap<Name, Arc<Mutex<()>>>>,
}

impl Turns {
    /// Waits until no other order proves any of these names; none does while what is returned is held.
    pub(super) async fn take(&self, names: &Names) -> Vec<OwnedMutexGuard<()>> {
        let queues: Vec<Arc<Mutex<()>>> = {
            let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
            by_name.retain(|_, queue| Arc::strong_count(queue) > 1);
            names.sorted().into_iter().map(|name| by_name.entry(name.clone()).or_default().clone()).collect()
        };
        let mut taken = Vec::with_capacity(queues.len());
        // In the order of the names, the same for everybody: no two can wait for each other.
        for queue in queues {
            taken.push(queue.lock_owned().await);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_in_common_wait_and_others_do_not() {
        let names = |list: &str| Names::parse_domain_list(list).expect("names");
        let turns = Turns::default();
        let first = turns.take(&names("b.example.com a.example.com")).await;
        let _other = turns.take(&names("c.example.com")).await;
        let shared = names("d.example.com b.example.com");
        let mut second = Box::pin(turns.take(&shared));
        assert!(polled_once(&mut second).await.is_none(), "both hold b.example.com");
        drop(first);
        assert_eq!(second.await.len(), 2);
        assert!(turns.by_name.lock().expect("not poisoned").len() <= 4);
    }

    /// Polls once.
    async fn polled_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
