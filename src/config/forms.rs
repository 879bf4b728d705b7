//! How plain values are read and written: yes/no, words of a list, texts and paths. Numbers are in `numbers.rs`.
//!
//! Errors are the texts of redis-server 7.0.15 (`config.c`), which `CONFIG SET` and the start both show.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::setting::{Form, Origin};
use super::words;

/// `yes` or `no`, in any letter case.
pub struct YesNo;

impl Form for YesNo {
    type Value = bool;

    fn read(&self, _old: &bool, words: &[Vec<u8>], _origin: Origin) -> Result<bool, String> {
        if words[0].eq_ignore_ascii_case(b"yes") {
            Ok(true)
        } else if words[0].eq_ignore_ascii_case(b"no") {
            Ok(false)
        } else {
            Err("argument must be 'yes' or 'no'".to_string())
        }
    }

    fn show(&self, value: &bool) -> Vec<u8> {
        if *value {
            b"yes".to_vec()
        } else {
            b"no".to_vec()
        }
    }
}

/// One word of a list, in any letter case.
pub struct Choice<T: 'static> {
    names: &'static [(&'static str, T)],
    also: &'static [(&'static str, T)],
}

/// One of `names`, which Redis's error lists, or of `also`, which it does not know. Of two names for one value the first is
/// shown.
pub const fn choice<T>(
    names: &'static [(&'static str, T)],
    also: &'static [(&'static str, T)],
) -> Choice<T> {
    Choice { names, also }
}

impl<T: Copy + PartialEq + 'static> Form for Choice<T> {
    type Value = T;

    fn read(&self, _old: &T, words: &[Vec<u8>], _origin: Origin) -> Result<T, String> {
        let mut known = self.names.iter().chain(self.also);
        match known.find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(&words[0])) {
            Some((_, value)) => Ok(*value),
            None => Err(not_one_of(self.names.iter().map(|(name, _)| *name))),
        }
    }

    fn show(&self, value: &T) -> Vec<u8> {
        let mut known = self.names.iter().chain(self.also);
        let name = known
            .find(|(_, known)| known == value)
            .map_or("unknown", |(name, _)| name);
        name.as_bytes().to_vec()
    }
}

/// One of these words, in any letter case; the field holds the word.
pub struct OneOf(pub &'static [&'static str]);

impl Form for OneOf {
    type Value = &'static str;

    fn read(
        &self,
        _old: &&'static str,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<&'static str, String> {
        let known = self
            .0
            .iter()
            .find(|name| name.as_bytes().eq_ignore_ascii_case(&words[0]));
        known
            .copied()
            .ok_or_else(|| not_one_of(self.0.iter().copied()))
    }

    fn show(&self, value: &&'static str) -> Vec<u8> {
        value.as_bytes().to_vec()
    }
}

/// Redis's complaint about a word that is not in a list.
pub(super) fn not_one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    format!(
        "argument(s) must be one of the following: {}",
        names.join(", ")
    )
}

/// Any bytes.
pub struct Text;

impl Form for Text {
    type Value = Vec<u8>;

    fn read(&self, _old: &Vec<u8>, words: &[Vec<u8>], _origin: Origin) -> Result<Vec<u8>, String> {
        Ok(words[0].clone())
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        vec![words::quote(value)]
    }
}

/// Any bytes, which are a secret.
pub struct Secret;

impl Form for Secret {
    type Value = Vec<u8>;

    const SENSITIVE: bool = true;

    fn read(&self, old: &Vec<u8>, words: &[Vec<u8>], origin: Origin) -> Result<Vec<u8>, String> {
        Text.read(old, words, origin)
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        Text.lines(value)
    }
}

/// A path; the empty one stands for none.
pub struct Place;

impl Form for Place {
    type Value = Option<PathBuf>;

    fn read(
        &self,
        _old: &Option<PathBuf>,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<Option<PathBuf>, String> {
        if words[0].contains(&0) {
            return Err("a path cannot have a zero byte".to_string());
        }
        let path = PathBuf::from(OsStr::from_bytes(&words[0]));
        Ok(Some(path).filter(|path| !path.as_os_str().is_empty()))
    }

    fn show(&self, value: &Option<PathBuf>) -> Vec<u8> {
        value
            .as_ref()
            .map_or_else(Vec::new, |path| path.as_os_str().as_bytes().to_vec())
    }

    fn lines(&self, value: &Option<PathBuf>) -> Vec<Vec<u8>> {
        vec![words::quote(&self.show(value))]
    }
}

/// A directory.
pub struct Directory;

impl Form for Directory {
    type Value = PathBuf;

    fn read(&self, _old: &PathBuf, words: &[Vec<u8>], origin: Origin) -> Result<PathBuf, String> {
        Place
            .read(&None, words, origin)?
            .ok_or_else(|| "No such file or directory".to_string())
    }

    fn show(&self, value: &PathBuf) -> Vec<u8> {
        value.as_os_str().as_bytes().to_vec()
    }

    fn lines(&self, value: &PathBuf) -> Vec<Vec<u8>> {
        vec![words::quote(&self.show(value))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<F: Form>(form: &F, old: F::Value, text: &str) -> Result<F::Value, String> {
        form.read(&old, &[text.as_bytes().to_vec()], Origin::Command)
    }

    #[test]
    fn words_of_a_list_ignore_case() {
        let form = choice(&[("no", 0), ("yes", 1), ("relative", 1)], &[("off", 0)]);
        assert_eq!(read(&form, 0, "Relative"), Ok(1));
        assert_eq!(read(&form, 0, "OFF"), Ok(0));
        assert_eq!(form.show(&1), b"yes");
        let error = "argument(s) must be one of the following: no, yes, relative";
        assert_eq!(read(&form, 0, "maybe"), Err(error.to_string()));
        assert_eq!(read(&OneOf(&["json", "cbor"]), "json", "CBOR"), Ok("cbor"));
        assert_eq!(read(&YesNo, false, "YES"), Ok(true));
        assert_eq!(
            read(&YesNo, false, "1"),
            Err("argument must be 'yes' or 'no'".to_string())
        );
    }

    #[test]
    fn texts_are_quoted_in_files_and_plain_elsewhere() {
        assert_eq!(Text.lines(&b"a b".to_vec()), [b"\"a b\"".to_vec()]);
        assert_eq!(Secret.show(&b"a b".to_vec()), b"a b");
        assert_eq!(read(&Place, None, ""), Ok(None));
        assert_eq!(
            read(&Place, None, "/run/x"),
            Ok(Some(PathBuf::from("/run/x")))
        );
        assert!(read(&Place, None, "a\0b").is_err());
        assert!(read(&Directory, PathBuf::new(), "").is_err());
        assert_eq!(Place.show(&None), b"");
    }
}
