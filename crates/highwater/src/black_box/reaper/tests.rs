use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::super::format;
use super::super::tests::bytes_within_an_episode;
use super::*;

/// What a collector answers to spans, and the paths that it was asked for.
#[derive(Debug, Default)]
struct Asked {
    to_spans: u16,
    paths: Vec<String>,
}

/// A collector on a free port that takes every log record.
struct Collector {
    endpoint: String,
    asked: Arc<Mutex<Asked>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Asked>>::default();
        let answers = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let asked = Arc::clone(&answers);
                thread::spawn(move || serve(stream, &asked));
            }
        });
        Self { endpoint, asked }
    }

    /// The paths that a pass asks for while spans are answered so.
    fn paths_of(&self, to_spans: u16, pass: impl FnOnce()) -> Vec<String> {
        *self.asked.lock().unwrap() = Asked { to_spans, paths: Vec::new() };
        pass();
        let mut paths = std::mem::take(&mut self.asked.lock().unwrap().paths);
        paths.sort();
        paths
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Asked>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                None if line.starts_with("POST ") => path = line.split(' ').nth(1).unwrap().to_owned(),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let status = {
            let mut asked = asked.lock().unwrap();
            asked.paths.push(path.clone());
            if path == "/v1/traces" { asked.to_spans } else { 200 }
        };
        write!(writer, "HTTP/1.1 {status} so\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")?;
    }
}

fn reaper(folder: &Path, collector: &Collector) -> Reaper {
    Reaper::new(folder, &collector.endpoint).unwrap()
}

#[test]
fn a_box_whose_span_was_not_taken_stays_and_the_next_pass_tells_the_span_alone() {
    for status in [404, 503] {
        let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
        let path = folder.path().join("one.box");
        fs::write(&path, bytes_within_an_episode("one")).unwrap();
        let reaper = reaper(folder.path(), &collector);
        let first = collector.paths_of(status, || {
            let reaped = reaper.reap().unwrap();
            assert_eq!(reaped.told, []);
            let [(kept, why)] = &reaped.kept[..] else { panic!("{reaped:?}") };
            assert!(kept == &path && why.starts_with("its log record has arrived, its span has not: "), "{why}");
            assert!(why.contains(&status.to_string()), "{why}");
        });
        assert_eq!((first, path.exists()), (vec!["/v1/logs".to_owned(), "/v1/traces".to_owned()], true));
        let again = collector.paths_of(status, || assert_eq!(reaper.reap().unwrap().kept.len(), 1));
        assert_eq!((again, path.exists()), (vec!["/v1/traces".to_owned()], true));
        let last = collector.paths_of(200, || {
            let reaped = reaper.reap().unwrap();
            assert_eq!((reaped.told.len(), reaped.kept.len()), (1, 0));
        });
        assert_eq!((last, path.exists()), (vec!["/v1/traces".to_owned()], false));
    }
}

#[test]
fn a_box_that_cannot_be_read_is_kept_and_said_and_what_is_no_box_is_neither() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
    let path = |name: &str| folder.path().join(name);
    fs::write(path("newer.box"), [&format::MAGIC[..], &(format::VERSION + 1).to_le_bytes()].concat()).unwrap();
    fs::write(path("spoilt.box"), [&format::MAGIC[..], &format::VERSION.to_le_bytes()].concat()).unwrap();
    for none in ["letter.box", "empty.box"] {
        fs::write(path(none), &none[..none.len() % 9]).unwrap();
    }
    fs::create_dir(path("folder.box")).unwrap();
    let mut expected = vec![("newer.box", "it has version "), ("spoilt.box", "its first block is spoilt")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(path("nowhere"), path("dangling.box")).unwrap();
        // No permission would keep root from a file; a loop does.
        std::os::unix::fs::symlink(path("unread.box"), path("unread.box")).unwrap();
        expected.push(("unread.box", "symbolic link"));
    }
    let asked = collector.paths_of(200, || {
        let mut reaped = reaper(folder.path(), &collector).reap().unwrap();
        reaped.kept.sort();
        assert_eq!((reaped.told.len(), reaped.kept.len()), (0, expected.len()), "{reaped:?}");
        for ((kept, why), (name, text)) in reaped.kept.iter().zip(&expected) {
            assert!(*kept == path(name) && why.contains(text), "{name}, {text}: {reaped:?}");
        }
    });
    assert_eq!(asked, Vec::<String>::new());
    assert!(path("newer.box").exists() && path("spoilt.box").exists());
}
