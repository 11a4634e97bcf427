//! Who may do what: API keys, their roles, and the platform's own key.

mod authenticate;
mod keys;

use std::fmt;
use std::str::FromStr;

pub use authenticate::{AuthError, Authenticator, Caller};
pub use keys::{KeyError, Keys, NewKey};

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything within its tenant.
    Admin,
    /// Publish events, and read.
    Publisher,
    /// Read.
    Viewer,
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is admin, publisher or viewer")]
pub struct UnknownRole;

/// Something that a role may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read everything but secrets.
    Read,
    /// Publish events.
    Publish,
    /// Change endpoints and keys, read secrets, deliver again.
    Administer,
}

impl Role {
    /// The role as the API and the tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publisher => "publisher",
            Self::Viewer => "viewer",
        }
    }

    /// Whether the role may do something.
    pub const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Publish => matches!(self, Self::Admin | Self::Publisher),
            Permission::Administer => matches!(self, Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Admin, Self::Publisher, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}
