//! Settings that are network addresses: `bind` and `replicaof`.
//!
//! Errors are the texts of redis-server 7.0.15 (`config.c`).

use super::numbers::parse_c_integer;
use super::setting::{Form, Origin};
use super::words;
use crate::limits::HOST_BYTES_MAX;

/// At most this many addresses in `bind`, as in Redis.
const BIND_ADDRESSES_MAX: usize = 16;

/// `bind`: addresses to listen on. A leading `-` says that the address may be missing; `*` is every IPv4 address and `::*`
/// every IPv6 one. An empty list means no TCP listener.
pub struct Bind;

impl Form for Bind {
    type Value = Vec<String>;

    const MANY: bool = true;

    fn read(
        &self,
        _old: &Vec<String>,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<Vec<String>, String> {
        if words.len() > BIND_ADDRESSES_MAX {
            return Err("Too many bind addresses specified.".to_string());
        }
        if let [only] = words
            && only.is_empty()
        {
            return Ok(Vec::new());
        }
        let text = |word: &Vec<u8>| {
            String::from_utf8(word.clone()).map_err(|_| "an address is not text".to_string())
        };
        words.iter().map(text).collect()
    }

    fn show(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into_bytes()
    }

    fn lines(&self, value: &Vec<String>) -> Vec<Vec<u8>> {
        vec![if value.is_empty() {
            b"\"\"".to_vec()
        } else {
            self.show(value)
        }]
    }
}

/// The address of a primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryAddress {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Whether these bytes can be the name of a primary's host: one word, of a length that names have.
pub fn is_host(name: &[u8]) -> bool {
    (1..=HOST_BYTES_MAX).contains(&name.len()) && name.iter().all(|byte| *byte > b' ')
}

/// `replicaof host port`, or `no one`.
pub struct ReplicaOf;

impl Form for ReplicaOf {
    type Value = Option<PrimaryAddress>;

    const MANY: bool = true;

    fn read(
        &self,
        _old: &Option<PrimaryAddress>,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<Option<PrimaryAddress>, String> {
        let [host, port] = words else {
            return Err("wrong number of arguments".to_string());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(None);
        }
        let port = parse_c_integer(port)
            .and_then(|port| u16::try_from(port).ok())
            .ok_or("Invalid master port")?;
        if !is_host(host) {
            return Err("Invalid master host".to_string());
        }
        let host =
            String::from_utf8(host.clone()).map_err(|_| "an address is not text".to_string())?;
        Ok(Some(PrimaryAddress { host, port }))
    }

    fn show(&self, value: &Option<PrimaryAddress>) -> Vec<u8> {
        value.as_ref().map_or_else(Vec::new, |primary| {
            format!("{} {}", primary.host, primary.port).into_bytes()
        })
    }

    fn lines(&self, value: &Option<PrimaryAddress>) -> Vec<Vec<u8>> {
        match value {
            Some(primary) => {
                let mut line = words::quote(primary.host.as_bytes());
                line.extend_from_slice(format!(" {}", primary.port).as_bytes());
                vec![line]
            }
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        words::split(text.as_bytes()).unwrap()
    }

    #[test]
    fn bind_takes_up_to_sixteen_addresses() {
        let read = |text: &str| Bind.read(&Vec::new(), &words(text), Origin::Line);
        assert_eq!(read("* -::*").unwrap(), ["*", "-::*"]);
        assert_eq!(read("\"\"").unwrap(), Vec::<String>::new());
        assert_eq!(read("").unwrap(), Vec::<String>::new());
        assert!(read(&"1 ".repeat(16)).is_ok());
        let error = "Too many bind addresses specified.";
        assert_eq!(read(&"1 ".repeat(17)).unwrap_err(), error);
        assert!(Bind.read(&Vec::new(), &[vec![0xff]], Origin::Line).is_err());
        assert_eq!(Bind.show(&read("* -::*").unwrap()), b"* -::*");
        assert_eq!(Bind.lines(&Vec::new()), [b"\"\"".to_vec()]);
    }

    #[test]
    fn replicaof_takes_a_host_and_a_port_or_no_one() {
        let read = |text: &str| ReplicaOf.read(&None, &words(text), Origin::Line);
        let primary = read("::1 6379").unwrap();
        let address = PrimaryAddress {
            host: "::1".to_string(),
            port: 6379,
        };
        assert_eq!(primary, Some(address));
        assert_eq!(
            read(&format!("{} 1", "h".repeat(256))),
            Err("Invalid master host".to_owned())
        );
        assert_eq!(ReplicaOf.show(&primary), b"::1 6379");
        assert_eq!(ReplicaOf.lines(&primary), [b"\"::1\" 6379".to_vec()]);
        assert_eq!(read("NO One").unwrap(), None);
        assert_eq!(ReplicaOf.show(&None), b"");
        assert_eq!(read("a").unwrap_err(), "wrong number of arguments");
        for text in ["a 65536", "a -1", "a x", "a 1x"] {
            assert_eq!(read(text).unwrap_err(), "Invalid master port", "{text:?}");
        }
    }
}
