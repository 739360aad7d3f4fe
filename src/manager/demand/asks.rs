//! Questions to the operator's program: those that wait, and the few that are under way.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

use crate::ask::{Ask, AskError};
use crate::ident::Fqdn;

/// At most this many are under way at once.
const ABREAST: usize = 4;
/// At most this many about strangers wait; whoever finds no room comes again.
const WAITING: usize = 256;
/// How often it is told that there is no answer.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// An answer, or none.
pub(in crate::manager) struct Answered {
    pub(in crate::manager) name: Fqdn,
    pub(in crate::manager) client: Option<IpAddr>,
    pub(in crate::manager) said: Result<bool, AskError>,
}

#[derive(Default)]
pub(super) struct Asks {
    waiting: VecDeque<(Fqdn, Option<IpAddr>)>,
    /// Those that wait and those under way.
    known: HashSet<Fqdn>,
    under_way: JoinSet<Answered>,
    complained: Option<SystemTime>,
}

impl Asks {
    /// Whether there is a question about the name already.
    pub(super) fn has(&self, name: &Fqdn) -> bool {
        self.known.contains(name)
    }

    /// A question about a stranger, if there is room for it.
    pub(super) fn put(&mut self, name: Fqdn, client: IpAddr) {
        if self.waiting.len() < WAITING && self.known.insert(name.clone()) {
            self.waiting.push_back((name, Some(client)));
        }
    }

    /// A question about a name that was let in. There are no more of them than such names.
    pub(super) fn put_first(&mut self, name: Fqdn) {
        if self.known.insert(name.clone()) {
            self.waiting.push_front((name, None));
        }
    }

    /// The next answer. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self, ask: Option<&Ask>) -> Answered {
        while let Some(ask) = ask
            && self.under_way.len() < ABREAST
            && let Some((name, client)) = self.waiting.pop_front()
        {
            let ask = ask.clone();
            self.under_way.spawn(async move {
                let said = ask.permits(&name, client).await;
                Answered { name, client, said }
            });
        }
        while let Some(ended) = self.under_way.join_next().await {
            // One that has died: its name is not asked about again.
            let Ok(answered) = ended else { continue };
            self.known.remove(&answered.name);
            return answered;
        }
        std::future::pending().await
    }

    /// Complains, unless somebody did so a moment ago.
    pub(super) fn complain(&mut self, now: SystemTime, complain: impl FnOnce()) {
        let since = self.complained.and_then(|before| now.duration_since(before).ok());
        if since.is_none_or(|since| since >= COMPLAINTS) {
            self.complained = Some(now);
            complain();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_question_that_dies_keeps_no_answer_back() {
        let mut asks = Asks::default();
        let name = Fqdn::parse("example.com").expect("a name");
        let answered = Answered { name: name.clone(), client: None, said: Ok(true) };
        asks.under_way.spawn(async { panic!("it dies") });
        asks.under_way.spawn(async { answered });
        let next = timeout(COMPLAINTS, asks.next(None)).await.expect("there is another one");
        assert_eq!(next.name, name);
    }
}
