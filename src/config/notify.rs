//! `notify-keyspace-events`: which keyspace events are published, as a set of classes.

use super::setting::{Form, Origin};

/// A set of event classes and of the two channels that events go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(u16);

impl NotifyFlags {
    /// Nothing is published.
    pub const NONE: NotifyFlags = NotifyFlags(0);
    /// `K`: publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: NotifyFlags = NotifyFlags(1 << 0);
    /// `E`: publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: NotifyFlags = NotifyFlags(1 << 1);
    /// `g`: DEL, EXPIRE, RENAME and other commands of no one type.
    pub const GENERIC: NotifyFlags = NotifyFlags(1 << 2);
    /// `$`: strings.
    pub const STRING: NotifyFlags = NotifyFlags(1 << 3);
    /// `l`: lists.
    pub const LIST: NotifyFlags = NotifyFlags(1 << 4);
    /// `s`: sets.
    pub const SET: NotifyFlags = NotifyFlags(1 << 5);
    /// `h`: hashes.
    pub const HASH: NotifyFlags = NotifyFlags(1 << 6);
    /// `z`: sorted sets.
    pub const ZSET: NotifyFlags = NotifyFlags(1 << 7);
    /// `x`: keys that expired.
    pub const EXPIRED: NotifyFlags = NotifyFlags(1 << 8);
    /// `e`: keys that were evicted.
    pub const EVICTED: NotifyFlags = NotifyFlags(1 << 9);
    /// `t`: streams.
    pub const STREAM: NotifyFlags = NotifyFlags(1 << 10);
    /// `m`: reads of keys that do not exist; not part of `A`.
    pub const KEY_MISS: NotifyFlags = NotifyFlags(1 << 11);
    /// `d`: types of modules.
    pub const MODULE: NotifyFlags = NotifyFlags(1 << 12);
    /// `n`: new keys; not part of `A`.
    pub const NEW: NotifyFlags = NotifyFlags(1 << 13);
    /// `A`: all classes but `m` and `n`.
    pub const ALL: NotifyFlags = NotifyFlags(0b1_0111_1111_1100);

    /// Both sets together.
    pub const fn and(self, other: NotifyFlags) -> NotifyFlags {
        NotifyFlags(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: NotifyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether an event of `class` is published anywhere: the class and at least one channel are in the set.
    pub const fn publishes(self, class: NotifyFlags) -> bool {
        self.contains(class) && self.0 & (Self::KEYSPACE.0 | Self::KEYEVENT.0) != 0
    }
}

/// The letters of the classes that `A` sums up, in the order in which Redis writes them.
const CLASSES: [(u8, NotifyFlags); 10] = [
    (b'g', NotifyFlags::GENERIC),
    (b'$', NotifyFlags::STRING),
    (b'l', NotifyFlags::LIST),
    (b's', NotifyFlags::SET),
    (b'h', NotifyFlags::HASH),
    (b'z', NotifyFlags::ZSET),
    (b'x', NotifyFlags::EXPIRED),
    (b'e', NotifyFlags::EVICTED),
    (b't', NotifyFlags::STREAM),
    (b'd', NotifyFlags::MODULE),
];

/// The letters behind them, in order.
const OTHERS: [(u8, NotifyFlags); 4] = [
    (b'n', NotifyFlags::NEW),
    (b'K', NotifyFlags::KEYSPACE),
    (b'E', NotifyFlags::KEYEVENT),
    (b'm', NotifyFlags::KEY_MISS),
];

/// One word of class letters, in any order.
pub struct NotifyFlagsForm;

impl Form for NotifyFlagsForm {
    type Value = NotifyFlags;

    fn read(
        &self,
        _old: &NotifyFlags,
        words: &[Vec<u8>],
        _origin: Origin,
    ) -> Result<NotifyFlags, String> {
        let mut flags = NotifyFlags::NONE;
        for &letter in &words[0] {
            let mut known = CLASSES.iter().chain(&OTHERS);
            let class = match known.find(|(known, _)| *known == letter) {
                Some((_, class)) => *class,
                None if letter == b'A' => NotifyFlags::ALL,
                None => {
                    return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_string());
                }
            };
            flags = flags.and(class);
        }
        Ok(flags)
    }

    fn show(&self, value: &NotifyFlags) -> Vec<u8> {
        let given = |classes: &[(u8, NotifyFlags)]| -> Vec<u8> {
            classes
                .iter()
                .filter(|(_, class)| value.contains(*class))
                .map(|(letter, _)| *letter)
                .collect()
        };
        if value.contains(NotifyFlags::ALL) {
            // Redis 7.0 loses the `n` beside an `A` here, and with it at the next restart after a rewrite.
            [b"A".to_vec(), given(&OTHERS)].concat()
        } else {
            [given(&CLASSES), given(&OTHERS)].concat()
        }
    }

    fn lines(&self, value: &NotifyFlags) -> Vec<Vec<u8>> {
        vec![super::words::quote(&self.show(value))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(letters: &str) -> Result<NotifyFlags, String> {
        NotifyFlagsForm.read(
            &NotifyFlags::NONE,
            &[letters.as_bytes().to_vec()],
            Origin::Command,
        )
    }

    #[test]
    fn letters_are_written_in_redis_order() {
        for (given, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("KEg$lshzxetd", "AKE"),
            ("Ex", "xE"),
            ("gKE", "gKE"),
            ("$lshzxeKE", "$lshzxeKE"),
            ("En", "nE"),
            ("mK", "Km"),
            ("xxx", "x"),
            ("AKEnm", "AnKEm"),
        ] {
            let flags = read(given).unwrap();
            assert_eq!(NotifyFlagsForm.show(&flags), shown.as_bytes(), "{given:?}");
            assert_eq!(read(shown), Ok(flags), "{given:?}");
        }
        let error = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
        assert_eq!(read("KEZ"), Err(error.to_string()));
    }

    #[test]
    fn an_event_is_published_with_its_class_and_a_channel() {
        let flags = NotifyFlags::KEYEVENT.and(NotifyFlags::EXPIRED);
        assert!(flags.publishes(NotifyFlags::EXPIRED));
        assert!(!flags.publishes(NotifyFlags::GENERIC));
        assert!(!NotifyFlags::EXPIRED.publishes(NotifyFlags::EXPIRED));
        assert!(!NotifyFlags::ALL.contains(NotifyFlags::NEW));
        assert!(!NotifyFlags::ALL.contains(NotifyFlags::KEY_MISS));
        for (_, class) in CLASSES {
            assert!(NotifyFlags::ALL.contains(class));
        }
    }
}
