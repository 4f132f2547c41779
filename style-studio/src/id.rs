//! Names of jobs and pictures: hexadecimal digits of one length, so that none can lead out of the folder.

use std::fmt::{self, Write};
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// 128 bits, written as 32 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id([u8; 16]);

impl Id {
    /// From the system's source of randomness.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        let failed =
            |e: getrandom::Error| Error::store("the system gives no random numbers")(io::Error::other(e.to_string()));
        getrandom::fill(&mut bytes).map_err(failed)?;
        Ok(Self(bytes))
    }

    /// The name of some content.
    pub(crate) fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(bytes)
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(()),
        };
        let digits: &[u8; 32] = s.as_bytes().try_into().map_err(|_| ())?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(32);
        let _ = write!(text, "{self}");
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| de::Error::custom("expected 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn only_digits_are_names() {
        let id = Id::of(b"a picture");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "..", "../../../../etc/passwd", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\u{e9}".repeat(16).as_str()]
        {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
    }
}
