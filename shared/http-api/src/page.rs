//! Pages of lists: `limit` and `cursor` in, `items` and `next_cursor` out.
//!
//! A cursor is the list's own place in base64url. It comes back from clients, so it is taken for what it is:
//! text that has to be an id of the kind that the list is sorted by. The tenant is never in it.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use postrider_application::stores::{PageRequest, Paged};
use postrider_domain::EventId;
use serde::Serialize;

use crate::params::Params;
use crate::problem::Problem;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;

impl Params {
    /// The page that is asked for, in a list sorted by a `Place`. It comes last: parameters that are left
    /// over are refused.
    pub(crate) fn page<Place: FromStr>(mut self) -> Result<PageRequest, Problem> {
        let limit = self.take("limit", read_limit)?.unwrap_or(DEFAULT_LIMIT);
        let after = self.take("cursor", read_cursor::<Place>)?;
        self.finish()?;
        Ok(PageRequest { limit, after })
    }
}

fn read_limit(text: &str) -> Result<usize, &'static str> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or("a number from 1 to 100")
}

fn read_cursor<Place: FromStr>(text: &str) -> Result<String, &'static str> {
    let place = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = place.filter(|place| place.parse::<Place>().is_ok());
    place.ok_or("not a cursor of this list; take next_cursor of the page before as it is")
}

/// A place in the list of events, which is a generated id whatever the event's own id is.
pub(crate) struct EventPlace;

impl FromStr for EventPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let id: EventId = text.parse().map_err(|_| ())?;
        id.as_generated().map(|_| Self).ok_or(())
    }
}

/// A page as it is answered.
#[derive(Serialize)]
pub(crate) struct PageBody<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

impl<T> PageBody<T> {
    /// A page with each row shown.
    pub(crate) fn new<'r, R>(page: &'r Paged<R>, show: impl Fn(&'r R) -> T) -> Self {
        let items = page.items.iter().map(show).collect();
        Self { items, next_cursor: page.next.as_ref().map(|place| BASE64.encode(place)) }
    }
}

#[cfg(test)]
mod tests {
    use postrider_domain::{DeadLetterId, DeliveryId};

    use super::*;

    const ULID: &str = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";

    #[test]
    fn a_cursor_is_a_place_in_its_own_list() {
        let cursor = |place: &str| BASE64.encode(place);
        let place = format!("evt_{ULID}");
        assert_eq!(read_cursor::<EventPlace>(&cursor(&place)), Ok(place.clone()));
        assert!(read_cursor::<DeliveryId>(&cursor(&place)).is_err());
        assert!(read_cursor::<DeadLetterId>(&cursor(&format!("dl_{ULID}"))).is_ok());
        for forged in
            ["", "evt_", "evt_~", "own-id", "T#other#DL", &format!("evt_{ULID}~"), &format!("evt_{}", "é")]
        {
            assert!(read_cursor::<EventPlace>(&cursor(forged)).is_err(), "{forged}");
        }
        assert!(read_cursor::<EventPlace>(&place).is_err());
    }

    #[test]
    fn a_limit_has_bounds() {
        assert_eq!(read_limit("100"), Ok(100));
        for bad in ["", "0", "101", "-1", "1.0", "x"] {
            assert!(read_limit(bad).is_err(), "{bad}");
        }
    }
}
