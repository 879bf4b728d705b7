//! The little of the Redis protocol that the writers speak: requests, replies of one line, and where a reply ends.

/// Appends a request.
pub fn encode(request: &mut Vec<u8>, words: &[&[u8]]) {
    request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
}

/// The first line of `input` without its end, and the rest; None while it is not whole.
pub fn split_line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&input[..end], &input[end + 2..]))
}

/// The length of the first reply of `input` in bytes; None while it is not whole.
///
/// What is no array and no bulk string is a line.
pub fn reply_bytes(input: &[u8]) -> Option<usize> {
    let mut rest = input;
    let mut values_left: usize = 1;
    while values_left > 0 {
        let (line, after) = split_line(rest)?;
        values_left -= 1;
        rest = after;
        // A null, "-1", has nothing after its line.
        let count = line
            .get(1..)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse::<usize>().ok());
        match (line.first(), count) {
            (Some(b'*'), Some(count)) => values_left = values_left.saturating_add(count),
            (Some(b'$'), Some(count)) => rest = rest.get(count.checked_add(2)?..)?,
            _ => {}
        }
    }
    Some(input.len() - rest.len())
}

/// Whether an answer says that the command has not run, and that another node may run it.
pub fn is_redirection(line: &[u8]) -> bool {
    let errors: [&[u8]; 4] = [b"-READONLY", b"-MASTERDOWN", b"-LOADING", b"-UNBLOCKED"];
    errors.iter().any(|error| line.starts_with(error))
}

/// The number of an integer reply.
pub fn integer(line: &[u8]) -> Option<i64> {
    let digits = line.strip_prefix(b":")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a reply to ROLE is that of a primary.
pub fn is_primary(role: &[u8]) -> bool {
    role.starts_with(b"*") && {
        let after_count = split_line(role).map(|(_, rest)| rest);
        after_count.is_some_and(|rest| rest.starts_with(b"$6\r\nmaster\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &[u8] =
        b"*3\r\n$6\r\nmaster\r\n:17\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n7002\r\n$2\r\n17\r\n";
    const REPLICA: &[u8] =
        b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:7001\r\n$9\r\nconnected\r\n:17\r\n";

    #[test]
    fn a_request_is_an_array_of_bulk_strings() {
        let mut request = b"before ".to_vec();
        encode(&mut request, &[b"GET", b""]);
        assert_eq!(request, b"before *2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }

    #[test]
    fn lines_are_split_only_where_whole() {
        assert_eq!(
            split_line(b"+OK\r\n:1\r"),
            Some((&b"+OK"[..], &b":1\r"[..]))
        );
        assert_eq!(split_line(b":1\r"), None);
        assert_eq!(split_line(b""), None);
    }

    #[test]
    fn a_reply_ends_where_all_its_values_do() {
        for reply in [
            PRIMARY,
            REPLICA,
            b"-LOADING the data\r\n",
            b"*0\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b":5\r\n",
        ] {
            let mut input = reply.to_vec();
            input.extend_from_slice(b"+next\r\n");
            assert_eq!(reply_bytes(&input), Some(reply.len()));
            for cut in 0..reply.len() {
                assert_eq!(reply_bytes(&reply[..cut]), None, "{cut} bytes");
            }
        }
        // Lengths beyond all memory are not whole, and no overflow.
        assert_eq!(reply_bytes(b"$18446744073709551615\r\nx"), None);
        assert_eq!(
            reply_bytes(b"*18446744073709551615\r\n*18446744073709551615\r\n"),
            None
        );
    }

    #[test]
    fn a_primary_is_told_from_a_replica_and_an_error() {
        assert!(is_primary(PRIMARY));
        for other in [
            REPLICA,
            b"-LOADING\r\n$6\r\nmaster\r\n",
            b"*1\r\n$8\r\nsentinel\r\n",
            b"",
        ] {
            assert!(!is_primary(other));
        }
    }

    #[test]
    fn redirections_are_known_and_other_errors_are_not() {
        assert!(is_redirection(
            b"-READONLY You can't write against a read only replica."
        ));
        assert!(is_redirection(
            b"-UNBLOCKED force unblock from blocking operation"
        ));
        for other in [
            &b"-MISCONF disk"[..],
            b"-ERR READONLY",
            b"+READONLY",
            b":1",
            b"",
        ] {
            assert!(!is_redirection(other));
        }
    }

    #[test]
    fn integers_are_read() {
        assert_eq!(
            (integer(b":-3"), integer(b":"), integer(b"3")),
            (Some(-3), None, None)
        );
    }
}
