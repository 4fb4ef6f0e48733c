//! The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014), in one word: 48 bits of milliseconds and a
//! 16-bit counter. The counter carries into the milliseconds, so a burst of writes never stalls and never repeats a stamp.
//!
//! It reads no clock: whoever writes passes the time in.

/// Milliseconds since 1970 in the upper 48 bits, a counter in the lower 16. 0 is below every written stamp.
pub type Stamp = u64;

/// How far ahead of a replica's time a foreign stamp may be before it has to wait: five minutes.
pub const MAX_AHEAD_MS: u64 = 5 * 60 * 1000;

/// No stamp is left above the highest one seen. Only a hostile peer, or the year 10889, brings a clock here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOverflow;

/// The highest stamp a replica has used or seen.
#[derive(Debug, Default, Clone)]
pub struct Clock {
    highest: Stamp,
}

impl Clock {
    /// A stamp for a new write, above everything used or seen and not below `now_ms`.
    pub fn tick(&mut self, now_ms: u64) -> Result<Stamp, ClockOverflow> {
        // The top stays free: no envelope and no state may say it.
        let next = self
            .highest
            .checked_add(1)
            .filter(|&next| next < u64::MAX)
            .ok_or(ClockOverflow)?;
        self.highest = next.max(now_ms.min((1 << 48) - 1) << 16);
        Ok(self.highest)
    }

    /// Takes note of a foreign stamp.
    pub fn see(&mut self, stamp: Stamp) {
        self.highest = self.highest.max(stamp);
    }

    /// The highest stamp used or seen.
    pub fn highest(&self) -> Stamp {
        self.highest
    }

    /// Is `stamp` so far ahead of `now_ms` that it must wait?
    pub fn is_ahead(stamp: Stamp, now_ms: u64) -> bool {
        stamp >> 16 > now_ms.saturating_add(MAX_AHEAD_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_even_when_time_stands_still_or_goes_back() {
        let mut clock = Clock::default();
        let mut last = clock.tick(1000).unwrap();
        for now in std::iter::repeat_n(1000, 70_000).chain([10, 999, 1001]) {
            let next = clock.tick(now).unwrap();
            assert!(next > last);
            last = next;
        }
        clock.see(u64::MAX - 1);
        assert_eq!(clock.tick(0), Err(ClockOverflow));
    }

    #[test]
    fn five_minutes_ahead_is_the_boundary() {
        assert!(!Clock::is_ahead((1000 + MAX_AHEAD_MS) << 16 | 0xffff, 1000));
        assert!(Clock::is_ahead((1001 + MAX_AHEAD_MS) << 16, 1000));
    }
}
