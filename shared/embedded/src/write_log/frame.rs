//! Frames of the log: what was synced together.

/// Length and checksum.
const HEADER_BYTES: usize = 12;

/// The checksum so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum(u32, u32);

impl Sum {
    /// Where a file with this number begins.
    pub(super) fn of_number(number: u64) -> Self {
        Self(0, 0).and(&number.to_le_bytes())
    }

    fn and(self, bytes: &[u8]) -> Self {
        let Self(mut first, mut second) = self;
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            let word = u64::from_le_bytes(padded);
            first = first.wrapping_add(word as u32).wrapping_add(second);
            second = second.wrapping_add((word >> 32) as u32).wrapping_add(first);
        }
        Self(first, second)
    }

    fn bytes(self) -> [u8; 8] {
        ((u64::from(self.1) << 32) | u64::from(self.0)).to_le_bytes()
    }
}

/// Records that are written together.
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    pub(crate) fn new() -> Self {
        Self(vec![0; HEADER_BYTES])
    }

    /// Adds to the records.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == HEADER_BYTES
    }

    /// Puts length and checksum before the records. Answers the bytes and the checksum so far.
    pub(super) fn seal(mut self, sum: Sum) -> Option<(Vec<u8>, Sum)> {
        let (header, records) = self.0.split_at_mut(HEADER_BYTES);
        let length = u32::try_from(records.len()).ok()?.to_le_bytes();
        let sum = sum.and(&length).and(records);
        header[..4].copy_from_slice(&length);
        header[4..].copy_from_slice(&sum.bytes());
        Some((self.0, sum))
    }
}

/// The records of the frame that these bytes begin with, what is behind it, and the checksum so far; `None` when
/// there is no frame.
pub(super) fn next_frame(bytes: &[u8], sum: Sum) -> Option<(&[u8], &[u8], Sum)> {
    let (length, after) = bytes.split_first_chunk::<4>()?;
    let (written, after) = after.split_first_chunk::<8>()?;
    let (records, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let sum = sum.and(length).and(records);
    (!records.is_empty() && sum.bytes() == *written).then_some((records, after, sum))
}
