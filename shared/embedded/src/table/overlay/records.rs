//! What the table writes in its log: the latest state of a place, or that the engine has it.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::packed::{Packed, Place};
use crate::write_log::{self, Frame};

/// Stands for the length of an item where the engine has the latest state.
const SETTLED: u32 = u32::MAX;

/// What a log says of each place: its latest item, or that the engine has it.
pub(in crate::table) type Kept = HashMap<Place, Option<Packed>>;

/// Adds an item, or that the engine has the latest state of it.
pub(in crate::table) fn push(frame: &mut Frame, place: &Place, item: Option<&Packed>) {
    let short = |text: &str| (text.len() as u16).to_le_bytes();
    let length = item.map_or(SETTLED, |item| item.as_bytes().len() as u32);
    frame.extend(&short(&place.pk));
    frame.extend(&short(&place.sk));
    frame.extend(&length.to_le_bytes());
    frame.extend(place.pk.as_bytes());
    frame.extend(place.sk.as_bytes());
    frame.extend(item.map_or(&[][..], Packed::as_bytes));
}

/// Reads a log. Answers the numbers of its files, and what they say.
pub(in crate::table) fn read(path: &Path) -> io::Result<(Vec<u64>, Kept)> {
    let mut kept = Kept::new();
    let damaged = || io::Error::other("the log of the table is damaged");
    let numbers = write_log::read(path, |_, records| take_in(records, &mut kept).ok_or_else(damaged))?;
    Ok((numbers, kept))
}

/// Takes in records, the later the more they count; `None` when they cannot be read.
fn take_in(mut rest: &[u8], kept: &mut Kept) -> Option<()> {
    while !rest.is_empty() {
        let (pk, after) = rest.split_first_chunk()?;
        let (sk, after) = after.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let (pk, after) = after.split_at_checked(u16::from_le_bytes(*pk).into())?;
        let (sk, after) = after.split_at_checked(u16::from_le_bytes(*sk).into())?;
        let place = Place::new(std::str::from_utf8(pk).ok()?, std::str::from_utf8(sk).ok()?);
        let length = u32::from_le_bytes(*length);
        let (item, after) = match length {
            SETTLED => (None, after),
            length => {
                let (item, after) = after.split_at_checked(length as usize)?;
                (Some(Packed::from_bytes(item)), after)
            }
        };
        kept.insert(place, item);
        rest = after;
    }
    Some(())
}
