//! The address under which others reach this API.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The public address of this API: `http` or `https`, a host, perhaps a path, and no slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text is no address that links could begin with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be a URL such as https://events.example.com, without a user, a query or a fragment")]
pub struct PublicUrlError;

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| PublicUrlError)?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_bare = url.query().is_none() && url.fragment().is_none();
        if !is_web || !is_bare || !url.username().is_empty() || url.password().is_some() {
            return Err(PublicUrlError);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_without_the_slash_at_its_end_and_nothing_else_is_one() {
        for (text, address) in [
            ("https://events.example.com", "https://events.example.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://example.com/postrider//", "https://example.com/postrider"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), address);
        }
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https://user@example.com",
            "https://:secret@example.com",
            "https://example.com/?a=b",
            "https://example.com/#a",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(PublicUrlError), "{text}");
        }
    }
}
