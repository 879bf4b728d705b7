//! Lists and bodies as a real Kvrocks sends them, cut anywhere, and names that would leave the directory.

use super::*;
use proptest::prelude::*;

fn names(list: &[&str]) -> Vec<FileName> {
    list.iter()
        .map(|name| FileName::check(name.as_bytes()).unwrap())
        .collect()
}

#[test]
fn a_list_of_kvrocks_is_read_and_asked_for() {
    let line = "OPTIONS-000013,MANIFEST-000011,CURRENT,000010.log";
    let list = read_list(line.as_bytes()).unwrap();
    assert_eq!(
        list,
        names(&["OPTIONS-000013", "MANIFEST-000011", "CURRENT", "000010.log"])
    );
    assert_eq!(join_names(&list), line);
    assert_eq!(list[2].to_string(), "CURRENT");
}

#[test]
fn only_tables_and_blobs_are_kept_from_an_earlier_attempt() {
    let kept = |name: &str| FileName::check(name.as_bytes()).unwrap().is_immutable();
    assert!(kept("000012.sst") && kept("000013.blob"));
    for grows in [
        "CURRENT",
        "MANIFEST-000004",
        "OPTIONS-000007",
        "000010.log",
        "000012.sst.tmp",
    ] {
        assert!(!kept(grows));
    }
}

#[test]
fn names_that_leave_the_directory_are_refused() {
    let long = "a".repeat(FILE_NAME_BYTES_MAX + 1);
    for name in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "a\0b",
        "a b",
        "a\r\n",
        ".hidden",
        "caf\u{e9}",
        &long,
    ] {
        let fault = FileName::check(name.as_bytes()).unwrap_err();
        assert!(matches!(fault, FileFault::BadName(_)), "{name}");
        assert!(!fault.to_string().contains(['\r', '\n', '\0']));
    }
    assert!(FileName::check(&long.as_bytes()[1..]).is_ok());
    assert!(FileName::check(b"a..b").is_ok(), "no separator, no way out");
}

#[test]
fn a_list_that_is_no_database_is_refused() {
    let read = |line: &str| read_list(line.as_bytes()).unwrap_err();
    assert_eq!(
        read("-can't create db checkpoint"),
        FileFault::Refused("can't create db checkpoint".to_owned())
    );
    assert_eq!(read("CURRENT,000012.sst"), FileFault::NoCurrent);
    assert_eq!(read("MANIFEST-000004"), FileFault::NoCurrent);
    assert_eq!(
        read("CURRENT,MANIFEST-000004,CURRENT"),
        FileFault::Repeated("CURRENT".to_owned())
    );
    assert!(matches!(read("CURRENT,,MANIFEST-1"), FileFault::BadName(_)));
    assert!(matches!(read(""), FileFault::BadName(_)));
    for fault in [
        FileFault::Refused("x".into()),
        FileFault::NoCurrent,
        FileFault::Repeated("x".into()),
        FileFault::BadSize,
        FileFault::Surplus,
    ] {
        assert!(!fault.to_string().is_empty());
    }
}

#[test]
fn files_are_dealt_to_one_connection_or_to_four() {
    let many: Vec<FileName> = (0..22)
        .map(|n| FileName::check(format!("{n}.sst").as_bytes()).unwrap())
        .collect();
    assert!(deal(&[]).is_empty());
    assert_eq!(deal(&many[..20]), [many[..20].to_vec()]);
    let dealt = deal(&many);
    assert_eq!(dealt.len(), 4);
    assert_eq!(
        dealt[1],
        names(&["1.sst", "5.sst", "9.sst", "13.sst", "17.sst", "21.sst"])
    );
    assert_eq!(dealt.iter().map(Vec::len).sum::<usize>(), 22);
}

/// Every whole file that comes out, in order.
fn bodies(count: usize, pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, FileFault> {
    let mut reader = BodyReader::new(count);
    let mut arrived = BytesMut::new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut whole = 0;
    for piece in pieces {
        arrived.extend_from_slice(piece);
        while let Some(body) = reader.take(&mut arrived)? {
            match body {
                Body::Begins { index, bytes } => {
                    assert_eq!(index, files.len());
                    files.push(Vec::with_capacity(bytes as usize));
                }
                Body::Bytes(bytes) => files.last_mut().unwrap().extend_from_slice(&bytes),
                Body::Ends { index } => {
                    assert_eq!(index, whole);
                    whole += 1;
                }
            }
        }
    }
    assert_eq!(reader.is_done(), whole == count);
    files.truncate(whole);
    Ok(files)
}

#[test]
fn bodies_follow_one_another_without_a_line_end() {
    let stream = [
        size_line(5),
        b"12\r\n3".to_vec(),
        size_line(0),
        size_line(2),
        b"ab".to_vec(),
    ]
    .concat();
    assert_eq!(stream, b"5\r\n12\r\n30\r\n2\r\nab");
    let expected = vec![b"12\r\n3".to_vec(), vec![], b"ab".to_vec()];
    assert_eq!(bodies(3, &[&stream]), Ok(expected.clone()));
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(bodies(3, &single), Ok(expected.clone()));
    assert_eq!(bodies(3, &[&stream[..9]]), Ok(expected[..1].to_vec()));
    assert_eq!(bodies(0, &[]), Ok(vec![]));
}

#[test]
fn bodies_that_are_none_are_refused() {
    assert_eq!(bodies(1, &[b"x\r\n"]), Err(FileFault::BadSize));
    assert_eq!(
        bodies(1, &[b"-1\r\n"]),
        Err(FileFault::Refused("1".to_owned()))
    );
    assert_eq!(bodies(1, &[b"4398046511105\r\n"]), Err(FileFault::BadSize));
    assert_eq!(bodies(1, &[&[b'1'; 300]]), Err(FileFault::BadSize));
    assert_eq!(bodies(1, &[b"1\r\nab"]), Err(FileFault::Surplus));
}

proptest! {
    #[test]
    fn bodies_do_not_depend_on_how_bytes_arrive(
        files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..6),
        cuts in proptest::collection::vec(0usize..200, 0..6),
    ) {
        let stream: Vec<u8> = files.iter().flat_map(|file| [size_line(file.len() as u64), file.clone()].concat()).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut from = 0;
        let pieces: Vec<&[u8]> = cuts.iter().map(|&to| &stream[std::mem::replace(&mut from, to)..to]).collect();
        prop_assert_eq!(bodies(files.len(), &pieces), Ok(files));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = read_list(&bytes);
        let _ = bodies(3, &[&bytes]);
    }

    /// A name that passes stays in its directory.
    #[test]
    fn a_good_name_is_one_plain_component(name in "[-_./a-zA-Z0-9]{0,12}") {
        if let Ok(good) = FileName::check(name.as_bytes()) {
            let path = std::path::Path::new(good.as_str());
            prop_assert_eq!(path.components().count(), 1);
            prop_assert!(matches!(path.components().next(), Some(std::path::Component::Normal(_))));
        }
    }
}
