//! How urgent an event is.

use std::fmt;

/// From 0 to 10, 5 unless the publisher says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

/// The number is no priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a whole number from 0 to 10")]
pub struct PriorityError;

/// The queue that an event's deliveries go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// With everything else.
    Standard,
    /// Past everything else.
    Express,
}

/// The least priority that goes through the express lane.
const EXPRESS_FROM: u8 = 8;

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl Priority {
    /// The priority as a number.
    pub const fn as_number(self) -> u8 {
        self.0
    }

    /// The lane of deliveries with this priority.
    pub const fn lane(self) -> Lane {
        if self.0 >= EXPRESS_FROM { Lane::Express } else { Lane::Standard }
    }
}

impl TryFrom<u32> for Priority {
    type Error = PriorityError;

    fn try_from(number: u32) -> Result<Self, PriorityError> {
        u8::try_from(number).ok().filter(|number| *number <= 10).map(Self).ok_or(PriorityError)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_and_above_go_through_the_express_lane() {
        let lanes: Vec<_> = (0..=12).map(|number| Priority::try_from(number).map(Priority::lane)).collect();
        assert!(lanes[..8].iter().all(|lane| *lane == Ok(Lane::Standard)));
        assert!(lanes[8..11].iter().all(|lane| *lane == Ok(Lane::Express)));
        assert_eq!(lanes[11..], [Err(PriorityError); 2]);
    }
}
