use std::io::{BufReader, Cursor, Read};

use highwater::Bytes;
use proptest::prelude::*;

use super::*;

/// Reads a whole trace: its rows, and its words.
fn read(content: impl AsRef<[u8]>) -> Result<(Vec<Row>, Vec<String>), String> {
    // A buffer so small that everything lies across its ends.
    let input = BufReader::with_capacity(3, Cursor::new(content.as_ref().to_vec()));
    let mut trace = Trace::open("trace.csv", input, SinceStart::default()).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    while let Some(row) = trace.next_row().map_err(|error| error.to_string())? {
        rows.push(row);
    }
    Ok((rows, trace.take_words()))
}

#[track_caller]
fn rows(content: impl AsRef<[u8]>) -> Vec<(f64, Option<u64>)> {
    let (rows, words) = read(content).unwrap();
    assert_eq!(words, [""; 0]);
    rows.iter().map(|row| (row.seconds.elapsed().as_secs_f64(), row.used)).collect()
}

/// What is said of a trace that cannot be used.
#[track_caller]
fn error(content: impl AsRef<[u8]>) -> String {
    let error = read(content).unwrap_err();
    assert!(!error.contains('\n') && error.starts_with("trace.csv"), "{error}");
    error
}

#[test]
fn columns_are_found_by_their_names() {
    let (rows, words) = read("limit,seconds,used\n512,1.5,7\n").unwrap();
    assert_eq!(words, [""; 0]);
    let sample = rows[0].sample();
    assert_eq!(sample.limit.map(|limit| limit.bytes), Some(Bytes::new(512)));
    assert_eq!((sample.used, sample.at.elapsed().as_millis()), (Some(Bytes::new(7)), 1500));
}

#[test]
fn a_mark_of_the_byte_order_other_ends_of_lines_quotes_spaces_and_empty_lines_are_accepted() {
    let expected = [(0.0, Some(1)), (1.0, Some(2))];
    for content in [
        "seconds,used\n0,1\n1,2\n",
        "\u{feff}seconds,used\n0,1\n1,2\n",
        "seconds,used\r\n0,1\r\n1,2\r\n",
        "\u{feff}seconds,used\r\n\r\n0,1\r\n1,2",
        "\"seconds\",\"used\"\n\"0\",\"1\"\n\"1\",2",
        "seconds, used\n 0, 1\n1 ,2 \n\n",
    ] {
        assert_eq!(rows(content), expected, "{content:?}");
    }
    assert!(error("\u{feff}\u{feff}seconds,used\n0,1\n").contains("column seconds is missing"), "one mark is enough");
}

#[test]
fn an_empty_field_is_unknown() {
    assert_eq!(rows("seconds,used\n0,\n1,2\n"), [(0.0, None), (1.0, Some(2))]);
}

#[test]
fn a_limit_of_0_is_none_which_is_said_once() {
    let (rows, words) = read("seconds,used,limit\n0,1,9\n1,2,0\n2,3,0\n3,4,9\n").unwrap();
    assert_eq!(rows.iter().map(|row| row.limit).collect::<Vec<_>>(), [Some(9), None, None, Some(9)]);
    assert_eq!(words, ["trace.csv:3: column limit: 0 is taken for no limit"]);
}

#[test]
fn a_header_alone_is_a_trace_without_rows() {
    assert_eq!(rows("seconds,used"), []);
    assert_eq!(rows("seconds,used\n"), []);
}

#[test]
fn unknown_columns_are_ignored_and_named_once() {
    let (rows, words) = read("seconds,note,used,host\n0,\"a, \"\"b\"\"\n\",1,\n1,,2,x\n").unwrap();
    assert_eq!(rows.iter().map(|row| row.used).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(words, ["trace.csv: columns that are ignored: \"note\", \"host\""]);
    let many: String = (0..20).map(|n| format!(",c{n}")).collect();
    let (_, words) = read(format!("seconds,used{many}\n")).unwrap();
    assert!(words[0].ends_with("\"c7\", ..."), "{words:?}");
}

#[test]
fn a_trace_without_its_columns_says_which_are_missing() {
    const HEADER: &str = "the first line must name the columns, such as seconds,used,limit";
    assert_eq!(error(""), format!("trace.csv: nothing is in it: {HEADER}"));
    assert_eq!(error("\n\n"), format!("trace.csv: nothing is in it: {HEADER}"));
    assert_eq!(error("0,1\n1,2\n"), format!("trace.csv:1: no header: {HEADER}"));
    assert_eq!(
        error("used,limit\n1,2\n"),
        format!("trace.csv:1: column seconds is missing from the header \"used,limit\": {HEADER}")
    );
    assert!(error("seconds,Used\n").starts_with("trace.csv:1: column used is missing"));
    assert_eq!(error("seconds,used,used\n"), "trace.csv:1: column used is there twice: leave one of them");
}

#[test]
fn a_field_that_cannot_be_used_is_named_with_its_line_its_column_and_what_would_be_right() {
    let used = |value: &str| error(format!("seconds,used\n0,1\n1,{value}\n2,1\n"));
    for value in ["12x", "-5", "1.5", "18446744073709551616", "NaN", "inf", "1e9", "512MiB"] {
        assert_eq!(
            used(value),
            format!(
                "trace.csv:3: column used: \"{value}\" is not a number of bytes: write a whole number, or leave it empty"
            )
        );
    }
    for value in ["", "x", "-1", "NaN", "inf", "1e99"] {
        assert_eq!(
            error(format!("seconds,used\r\n0,1\r\n{value},1\r\n")),
            format!(
                "trace.csv:3: column seconds: \"{value}\" is not a time in seconds: write a number such as 12 or 12.345"
            )
        );
    }
    assert!(error("seconds,used,oom_kills\n0,1,many\n").contains("column oom_kills: \"many\" is not a count"));
    let long = used(&"9".repeat(5000));
    assert!(long.len() < 200, "{long}");
}

#[test]
fn a_row_with_too_few_or_too_many_fields_is_named() {
    let expected = |line, fields| {
        format!(
            "trace.csv:{line}: {fields} fields, where the header has 2: write one for each column, empty where it is unknown"
        )
    };
    assert_eq!(error("seconds,used\n0,1\n\n1\n2,3\n"), expected(4, 1));
    assert_eq!(error("seconds,used\n0,1,2\n2,3\n"), expected(2, 3));
}

#[test]
fn time_that_goes_back_is_an_error_and_time_that_stands_is_none() {
    assert_eq!(rows("seconds,used\n1,1\n1,2\n"), [(1.0, Some(1)), (1.0, Some(2))]);
    assert_eq!(
        error("seconds,used\n1,1\n2.5,2\n2.499,3\n"),
        "trace.csv:4: column seconds: \"2.499\" lies before \"2.5\" of the row before: time never goes back; write the \
         rows in their order, and one run at a time"
    );
}

#[test]
fn what_is_not_utf_8_is_said() {
    assert_eq!(
        error(b"seconds,used\n0,1\xff\n1,1\n"),
        "trace.csv:2: column used: \"1\u{fffd}\" is not UTF-8: write the file as CSV in UTF-8"
    );
    let utf_16: Vec<u8> = "\u{feff}seconds,used\n0,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(error(utf_16), "trace.csv:1: the name of column 1 is not UTF-8: write the file as CSV in UTF-8");
    assert_eq!(rows_of_unknown(b"seconds,used,note\n0,1,\xff\n"), 1, "nobody reads that column");
}

fn rows_of_unknown(content: &[u8]) -> usize {
    read(content).unwrap().0.len()
}

#[test]
fn a_torn_last_line_is_said_and_left_out() {
    for torn in ["2", "2,", "2,1", "2."] {
        let (rows, words) = read(format!("seconds,used,limit\n0,1,\n1,2,\n{torn}")).unwrap();
        assert_eq!(rows.len(), 2, "{torn:?}");
        assert_eq!(words, ["trace.csv:4: the last line is torn, and left out"], "{torn:?}");
    }
    assert_eq!(rows("seconds,used\n0,1\n1,2").len(), 2, "one that is whole but for its end is taken");
    assert!(error("seconds,used\n0,1\n2,x\n").contains("is not a number"), "one with an end is not torn");
    assert!(error("seconds,used\n0,1\n2,x").contains("is not a number"), "one with all of its fields neither");
}

/// So many bytes, none of which is kept.
struct Endless(u64, u8);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.0 as usize);
        buffer[..length].fill(self.1);
        self.0 -= length as u64;
        Ok(length)
    }
}

#[test]
fn a_line_without_end_is_an_error_before_it_is_read_to_its_end() {
    const GIB: u64 = 1 << 30;
    for (before, byte, says) in [
        ("", b'x', "trace.csv:1: longer than 65536 bytes"),
        ("seconds,used\n0,1\n1,", b'1', "trace.csv:3: longer than 65536 bytes"),
        ("seconds,used\n0,1\n1,\"", b'\n', "longer than 65536 bytes: one line a sample, and quotes in pairs"),
        ("seconds,used\n0,1\n1,", b',', "trace.csv:3: more than 1024 fields"),
    ] {
        let mut input = BufReader::new(before.as_bytes().chain(Endless(GIB, byte)));
        let read = Trace::open("trace.csv", &mut input, SinceStart::default()).and_then(|mut trace| {
            while trace.next_row()?.is_some() {}
            Ok(())
        });
        let error = read.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(input.into_inner().into_inner().1.0 > GIB / 2, "it was read on");
    }
}

#[test]
fn a_trace_that_cannot_be_read_on_says_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let input = BufReader::new(b"seconds,used\n0,1\n".as_slice().chain(Broken));
    let mut trace = Trace::open("trace.csv", input, SinceStart::default()).unwrap();
    assert!(trace.next_row().unwrap().is_some());
    assert_eq!(trace.next_row().unwrap_err().to_string(), "trace.csv: cannot be read: the disk is gone");
}

proptest! {
    #[test]
    fn whatever_is_in_it_each_row_is_read_or_an_error_says_where(
        header in "seconds,used(,[a-z_]{0,12}){0,3}", lines in "([0-9]{0,3}(\\.[0-9])?|[,\"\\r\\n]|.){0,80}",
    ) {
        match read(format!("{header}\n{lines}")) {
            Ok((rows, _)) => prop_assert!(rows.is_sorted_by_key(|row| row.seconds)),
            Err(error) => prop_assert!(error.starts_with("trace.csv:") && !error.contains('\n'), "{}", error),
        }
    }

    #[test]
    fn no_bytes_panic(content: Vec<u8>) {
        let _ = read(content);
    }
}
