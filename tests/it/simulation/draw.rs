//! Chance that depends on nothing but a seed and on what it is for: neither on the order of questions nor on a machine.

/// Draws for one seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// Draws of its own for whatever has this name and these numbers.
    pub(super) fn of(self, what: &str, numbers: &[u64]) -> Self {
        let bytes = what.bytes().map(u64::from);
        Self(bytes.chain(numbers.iter().copied()).fold(self.0, |state, next| mixed(state ^ mixed(next))))
    }

    /// From 0 up to but without 1.
    pub(super) fn share(self) -> f64 {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `from` up to but without `to`.
    pub(super) fn between(self, from: u64, to: u64) -> u64 {
        from + (self.share() * (to - from) as f64) as u64
    }

    /// The same, each order of magnitude being as likely as the next.
    pub(super) fn magnitude(self, from: u64, to: u64) -> u64 {
        let (low, high) = ((from as f64).ln(), (to as f64).ln());
        (low + self.share() * (high - low)).exp() as u64
    }

    /// Sixteen letters.
    pub(super) fn letters(self) -> String {
        (0..16_u32).map(|n| char::from(b'a' + (mixed(self.0 ^ u64::from(n)) % 26) as u8)).collect()
    }
}

/// The finalizer of splitmix64.
fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
