//! Stretches of time, in whole seconds.

/// Stretches in order, which do not touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// All of these together.
    pub(super) fn new(spans: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut all: Vec<(u64, u64)> = spans.into_iter().collect();
        all.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (from, to) in all {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// The end of the stretch in which this moment lies.
    pub(super) fn end_of(&self, moment: u64) -> Option<u64> {
        let after = self.0.partition_point(|(from, _)| *from <= moment);
        let (_, to) = *self.0.get(after.checked_sub(1)?)?;
        (moment < to).then_some(to)
    }

    /// How much of the time between two moments lies in them.
    pub(super) fn within(&self, from: u64, to: u64) -> u64 {
        let first = self.0.partition_point(|(_, end)| *end <= from);
        let inside = self.0[first..].iter().take_while(|(start, _)| *start < to);
        inside.map(|(start, end)| (*end).min(to) - (*start).max(from)).sum()
    }
}

#[test]
fn spans_are_merged_and_measured() {
    let spans = Spans::new([(10, 20), (30, 40), (15, 25), (40, 41)]);
    assert_eq!(spans.iter().collect::<Vec<_>>(), [(10, 25), (30, 41)]);
    assert_eq!((spans.within(0, 100), spans.within(12, 35), spans.within(25, 30)), (26, 18, 0));
    assert_eq!(
        (spans.end_of(9), spans.end_of(10), spans.end_of(25), spans.end_of(40)),
        (None, Some(25), None, Some(41))
    );
}
