//! Pages of lists.

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many rows at most.
    pub limit: usize,
    /// The last row of the page before, as the list wrote it.
    pub after: Option<String>,
}

/// A page of rows.
#[derive(Debug, Clone)]
pub struct Paged<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` after the last. A page with fewer rows than asked for, even none,
    /// can have a next one: rows that a filter leaves out are looked at in bounded portions.
    pub next: Option<String>,
}

impl<T> Paged<T> {
    /// The same page with other rows.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Paged<U> {
        Paged { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}
