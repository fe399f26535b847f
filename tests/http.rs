//! HTTP as the tests speak it: one request a connection, and metrics read back from text.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// Longer than an answer takes anywhere.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Connects to a port of the loopback address.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends these bytes, and reads what comes until the other side closes. A reset ends it, too: who refuses does not
/// read to the end.
#[track_caller]
pub fn exchange(port: u16, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(port).expect("connect");
    // Where the other side has closed already, its answer is still there to be read.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no end after {PATIENCE:?}: {error}"),
    }
    answer
}

/// Asks for a path by HTTP/1.0, whose answers come in one piece. Headers are lines without their ends.
#[track_caller]
pub fn get(port: u16, path: &str, headers: &[&str]) -> Answer {
    let headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}\r\n");
    let answer = exchange(port, request.as_bytes());
    parse(&answer).unwrap_or_else(|| panic!("no HTTP: {:?}", String::from_utf8_lossy(&answer)))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end])
        .ok()?
        .to_ascii_lowercase();
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head,
        body: answer[end + 4..].to_vec(),
    })
}

/// A sample of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series: its name, and its labels as they are written.
    pub series: String,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// The name, without labels.
    pub fn name(&self) -> &str {
        self.series.split('{').next().unwrap_or_default()
    }
}

/// The samples of a scrape in text.
pub struct Scrape(pub Vec<Sample>);

impl Scrape {
    /// Reads text.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some(Sample {
                series: series.to_owned(),
                value: value.parse().ok()?,
            })
        };
        let samples = lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}")));
        Self(samples.collect())
    }

    /// The samples of this name, or of the one series that is written so.
    pub fn of<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Sample> {
        let is_it = move |sample: &&Sample| sample.name() == name || sample.series == name;
        self.0.iter().filter(is_it)
    }

    /// The sum of all samples of this name, or the value of the series that is written so.
    pub fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|sample| sample.value).sum()
    }

    /// The sample that is written so, labels included.
    pub fn value(&self, series: &str) -> Option<f64> {
        let sample = self.0.iter().find(|sample| sample.series == series);
        sample.map(|sample| sample.value)
    }

    /// What only ever grows: the samples of counters, and counts, sums and buckets of histograms.
    pub fn growing(&self) -> impl Iterator<Item = &Sample> {
        const ENDS: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];
        let grows = |sample: &&Sample| ENDS.iter().any(|end| sample.name().ends_with(end));
        self.0.iter().filter(grows)
    }

    /// Fails where something that only grows has become less since that scrape. What has gone is not looked at.
    #[track_caller]
    pub fn assert_not_less_than(&self, before: &Scrape) {
        let before: std::collections::BTreeMap<&str, f64> = before
            .growing()
            .map(|sample| (sample.series.as_str(), sample.value))
            .collect();
        for sample in self.growing() {
            if let Some(old) = before.get(sample.series.as_str()) {
                assert!(
                    sample.value >= *old,
                    "{} went from {old} to {}",
                    sample.series,
                    sample.value
                );
            }
        }
    }
}
