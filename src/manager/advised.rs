//! What a CA has said about renewing an item, and the moment that is drawn from it. Pure.

use std::time::{Duration, SystemTime};

use crate::ident::ItemId;
use crate::issuer::{Advice, Window};
use crate::store::{Advised, Drawn};

/// The CA is not asked again before this is over, whatever it says (RFC 9773 section 4.3).
const SOONEST: Duration = Duration::from_secs(60);
/// It is asked again after this at the latest.
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);
/// And after this where it does not say when.
const UNNAMED: Duration = Duration::from_secs(6 * 60 * 60);

/// What is known of `item` after the CA was asked; `draw`, from 0 up to but without 1, is used where it has named
/// another window than before. Where it could not be asked (`Err`, with the moment when it wants to be asked again, if
/// it said so), what it said before still holds.
#[must_use]
pub fn advised(
    before: Option<&Advised>,
    item: &ItemId,
    said: Result<Option<Advice>, Option<SystemTime>>,
    now: SystemTime,
    draw: f64,
) -> Advised {
    let known = before.filter(|before| before.item == *item).and_then(|before| before.drawn.clone());
    let named = match &said {
        Ok(advice) => advice.as_ref().and_then(|advice| advice.again),
        Err(again) => *again,
    };
    let wait = named.map_or(UNNAMED, |at| at.duration_since(now).unwrap_or_default());
    let drawn = match said {
        Err(_) => known,
        Ok(None) => None,
        Ok(Some(advice)) => Some(drawn(known.as_ref(), advice, draw)),
    };
    Advised { item: item.clone(), ask_at: now + wait.clamp(SOONEST, LATEST), drawn }
}

/// When the CA is asked again. A moment further away than we ever wait was noted by a clock that has been set back.
pub(super) fn ask_at(advised: &Advised, now: SystemTime) -> SystemTime {
    if advised.ask_at > now + LATEST { now } else { advised.ask_at }
}

fn drawn(known: Option<&Drawn>, advice: Advice, draw: f64) -> Drawn {
    // Moments are kept in whole seconds.
    let (start, end) = (whole(advice.window.start()), whole(advice.window.end()));
    let kept = known.filter(|known| (known.start, known.end) == (start, end)).map(|known| known.renew_at);
    let renew_at = kept.unwrap_or_else(|| Window::new(start, end).map_or(start, |window| window.at(draw)));
    Drawn { start, end, renew_at, explanation: advice.explanation }
}

fn whole(moment: SystemTime) -> SystemTime {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    type Said = Result<Option<Advice>, Option<SystemTime>>;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn advice(from: u32, to: u32, again: Option<SystemTime>) -> Said {
        let window = Window::new(now() + HOUR * from, now() + HOUR * to).expect("a window");
        Ok(Some(Advice { window, explanation: None, again }))
    }

    #[test]
    fn a_moment_is_drawn_once_for_a_window() {
        let item = ItemId::next(now(), None);
        let first = advised(None, &item, advice(10, 20, None), now(), 0.5);
        let at = |advised: &Advised| advised.drawn.as_ref().expect("drawn").renew_at;
        assert_eq!(at(&first), now() + HOUR * 15);
        let same = advised(Some(&first), &item, advice(10, 20, None), now() + HOUR, 0.9);
        assert_eq!(at(&same), at(&first), "the same window, the same moment");
        let silent = advised(Some(&same), &item, Err(None), now() + HOUR * 2, 0.9);
        assert_eq!(at(&silent), at(&first), "a CA that is down takes nothing back");
        let other = advised(Some(&silent), &item, advice(10, 30, None), now(), 0.9);
        assert_eq!(at(&other), now() + HOUR * 28);
        let next = ItemId::next(now(), Some(&item));
        let renewed = advised(Some(&other), &next, advice(10, 30, None), now(), 0.1);
        assert_eq!(at(&renewed), now() + HOUR * 12, "another certificate, another moment");
        let gone = advised(Some(&renewed), &next, Ok(None), now(), 0.1);
        assert_eq!(gone.drawn, None);
    }

    #[test]
    fn the_ca_is_asked_again_when_it_says_within_reason() {
        let item = ItemId::next(now(), None);
        let wait = |said: Said| {
            let ask_at = advised(None, &item, said, now(), 0.0).ask_at;
            ask_at.duration_since(now()).expect("later")
        };
        let table = [
            (None, HOUR * 6),
            (Some(HOUR * 12), HOUR * 12),
            (Some(HOUR * 5), HOUR * 5),
            (Some(Duration::ZERO), Duration::from_secs(60)),
            (Some(HOUR * 100), HOUR * 24),
        ];
        for (again, expected) in table {
            let again = again.map(|wait| now() + wait);
            assert_eq!(wait(advice(1, 2, again)), expected, "{again:?} beside an answer");
            assert_eq!(wait(Err(again)), expected, "{again:?} instead of an answer");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_us() {
        let item = ItemId::next(now(), None);
        let known = advised(None, &item, advice(1, 2, None), now(), 0.0);
        assert_eq!(ask_at(&known, now()), now() + HOUR * 6);
        assert_eq!(ask_at(&known, now() - HOUR * 24 * 30), now() - HOUR * 24 * 30);
    }
}
