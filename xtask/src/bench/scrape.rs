//! The exporter: a scrape of 10,000 series that all grow, as long as it takes and as its CPU time, which is the same
//! on a busy machine; and the most memory that it takes with these, and with fewer.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{background::Background, figure::Figure, figure::Table};

/// Series.
const FEW: u32 = 1000;
const MANY: u32 = 10_000;

/// Adds to all series once a second.
fn script(series: u32) -> String {
    format!(
        "config = {{ max_map_keys = 20000 }} \
         BEGIN {{ for ($i : 0..{series}) {{ @k[$i] = count(); }} }} \
         interval:s:1 {{ for ($i : 0..{series}) {{ @k[$i] = count(); }} }}"
    )
}

/// Scrapes of a round.
const SCRAPES: u32 = 10;

/// Who asks earlier is given the last reading.
const PAUSE: Duration = Duration::from_millis(300);

/// Time, CPU time and memory of scrapes.
pub fn table(tracer: &Path, rounds: u32) -> anyhow::Result<Table> {
    let folder = std::env::temp_dir().join(format!("tracer-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).context("cannot make a folder for the configuration")?;
    let config = folder.join("export.toml");
    let measured = [FEW, MANY].map(|series| measure(tracer, rounds, &config, series));
    std::fs::remove_dir_all(&folder).context("cannot remove the configuration")?;
    let [few, many] = measured;
    let (few, many) = (few?, many?);
    let memory_of_series = (many.memory_mb - few.memory_mb) * 1000.0 / f64::from(MANY - FEW);
    Ok(Table {
        title: "a scrape of 10,000 series, all of which grow",
        unit: "ms",
        figures: vec![
            Figure::of("request to answer", many.took),
            Figure::of("CPU time of the exporter", many.cpu),
            Figure::of_memory("at most", vec![many.memory_mb]),
            Figure::of_memory("at most with 1,000 series", vec![few.memory_mb]),
            Figure::of_memory("of 1,000 series", vec![memory_of_series]),
        ],
    })
}

/// What was measured of an exporter: times in milliseconds, and the most memory.
struct Measured {
    took: Vec<f64>,
    cpu: Vec<f64>,
    memory_mb: f64,
}

fn measure(tracer: &Path, rounds: u32, config: &Path, series: u32) -> anyhow::Result<Measured> {
    let script = script(series);
    std::fs::write(
        config,
        format!("[series]\nmax = 20000\n[[script]]\nsource = '''\n{script}\n'''\n"),
    )?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(tracer);
    command
        .args(["export", "-v", "--listen", &port.to_string(), "--config"])
        .arg(config);
    let background = Background::start(&mut command, "serving ")?;
    let (mut took, mut cpu) = (Vec::new(), Vec::new());
    let mut before = cpu_seconds(&scrape(port)?)?;
    for _ in 0..rounds * SCRAPES {
        sleep(PAUSE);
        let begun = Instant::now();
        let text = scrape(port)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        let used = cpu_seconds(&text)?;
        cpu.push((used - before) * 1e3);
        before = used;
    }
    let memory_mb = background.memory_max_mb()?;
    background.end()?;
    Ok(Measured {
        took,
        cpu,
        memory_mb,
    })
}

fn scrape(port: u16) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("cannot scrape")?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn cpu_seconds(text: &str) -> anyhow::Result<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    Ok(line.context("a scrape without CPU time")?.parse()?)
}
