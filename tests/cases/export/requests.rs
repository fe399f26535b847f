//! Requests of all kinds, right and wrong: none of them disturbs tracing.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::super::test;
use crate::{
    exporter::{Exporter, Folder},
    harness::{Need, Test, wait_for, workload},
    http::{Scrape, connect, exchange, get},
    prometheus::Prometheus,
};

pub fn tests() -> Vec<Test> {
    vec![
        test("export::formats_are_what_was_asked_for", &[], formats),
        test("export::nothing_else_is_served", &[], nothing_else),
        test("export::malformed_requests_are_refused", &[], malformed),
        test("export::many_scrape_at_once", &[], crowd),
        test("export::passwords_are_asked_for", &[], passwords),
        test(
            "export::only_who_is_trusted_is_scraped",
            &[Need::Prometheus],
            tls,
        ),
    ]
}

fn syscount() -> Exporter {
    Exporter::start(&["syscount", "--hist"], "--export")
}

fn formats() {
    let exporter = syscount();
    let ask = |headers: &[&str]| get(exporter.port, "/metrics", headers);
    for (accept, kind, end) in [
        ("Accept: */*", "text/plain; version=0.0.4", "\n"),
        (
            "Accept: application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0",
            "\n# EOF\n",
        ),
        (
            "Accept: text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.2",
            "text/plain; version=0.0.4",
            "\n",
        ),
    ] {
        let answer = ask(&[accept]);
        assert_eq!(answer.status, 200);
        assert!(
            answer.head.contains(&format!("content-type: {kind}")),
            "{}",
            answer.head
        );
        assert!(answer.text().ends_with(end), "{accept}");
    }
    let protobuf = "Accept: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let answer = ask(&[protobuf]);
    assert!(
        answer
            .head
            .contains("content-type: application/vnd.google.protobuf"),
        "{}",
        answer.head
    );
    let packed = ask(&["Accept-Encoding: gzip"]);
    assert!(
        packed.head.contains("content-encoding: gzip"),
        "{}",
        packed.head
    );
    assert!(packed.body.starts_with(&[0x1f, 0x8b]), "not gzip");
    let plain = ask(&["Accept-Encoding: gzip;q=0"]);
    assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
}

fn nothing_else() {
    let exporter = syscount();
    for path in [
        "/../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/metrics/../../etc/passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/metrics/",
        "/debug/pprof/",
        "/-/reload",
        "/%00",
    ] {
        let answer = exporter.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            !answer.text().contains("root:"),
            "{path}: {}",
            answer.text()
        );
    }
    for method in ["POST", "PUT", "DELETE", "TRACE", "NOSUCH"] {
        let request = format!("{method} /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        let answer = exchange(exporter.port, request.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(" 405 "), "{method}: {answer}");
    }
    let head = exchange(exporter.port, b"HEAD /metrics HTTP/1.0\r\n\r\n");
    assert!(head.ends_with(b"\r\n\r\n"), "a body behind HEAD");
    assert_eq!(exporter.get("/healthz").text(), "ok\n");
}

fn malformed() {
    let exporter = syscount();
    let huge = format!(
        "GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let requests: [&[u8]; 8] = [
        huge.as_bytes(),
        many.as_bytes(),
        long.as_bytes(),
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ];
    for request in requests {
        let answer = exchange(exporter.port, request);
        let answer = String::from_utf8_lossy(&answer);
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(
            is_refused,
            "{:?}: {answer}",
            String::from_utf8_lossy(&request[..20.min(request.len())])
        );
    }
    wait_for("refusals to be counted", || {
        let refused = exporter
            .scrape()
            .sum("tracer_export_requests_refused_total");
        (refused >= requests.len() as f64).then_some(())
    });
}

/// Some say nothing, some say half a request, some do not read their answer: all others are served meanwhile.
fn crowd() {
    const SLOW: usize = 300;
    const SCRAPERS: usize = 1000;
    raise_open_files();
    let exporter = Exporter::start(&["syscount", "--comm", "e2e-crowd"], "--export");
    let slow: Vec<TcpStream> = (0..SLOW)
        .map(|index| {
            let mut stream = connect(exporter.port).expect("connect");
            let words: [&[u8]; 3] = [
                b"",
                b"GET /metrics HT",
                b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            ];
            stream.write_all(words[index % words.len()]).expect("write");
            stream
        })
        .collect();
    let mut calls = workload(&["calls", "200000", "--comm", "e2e-crowd"])
        .spawn()
        .expect("start");
    // All ask before the first answer is read.
    let mut scrapers: Vec<TcpStream> = (0..SCRAPERS)
        .map(|_| {
            let mut stream = connect(exporter.port).expect("connect");
            stream
                .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
                .expect("write");
            stream
        })
        .collect();
    for stream in &mut scrapers {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        assert!(
            Scrape::parse(body).sum("tracer_export_source_up") == 1.0,
            "{body}"
        );
    }
    assert!(calls.wait().expect("wait").success());
    exporter.wait_sum("tracer_syscount_calls_total{syscall=\"getppid\"}", 200_000);
    drop(slow);
}

/// As many files as the hard limit lets this process have.
fn raise_open_files() {
    // SAFETY: both calls are given a whole rlimit.
    let result = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
    };
    assert_eq!(result, 0, "cannot raise RLIMIT_NOFILE");
}

/// alice's password is `secret`.
const USERS: &str =
    "basic_auth_users:\n  alice: $2b$04$/zVQDy5ZMSmDYpHv0ZeqM.BJijGPNGtFBTd/XiP7X9199iC38qt9.\n";

const TOOL: &str = "web_config = \"web.yml\"\n[[tool]]\nrun = \"syscount\"\n";

fn passwords() {
    let folder = Folder::new();
    folder.write("web.yml", USERS);
    let exporter = Exporter::with_config(&folder.write("t.toml", TOOL));
    for path in ["/metrics", "/", "/status.json", "/healthz", "/nosuch"] {
        let answer = exporter.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.head.contains("www-authenticate: basic"),
            "{}",
            answer.head
        );
    }
    for (credentials, status) in [
        // alice:secret, alice:wrong, bob:secret, alice without a password, and nothing of the kind.
        ("Basic YWxpY2U6c2VjcmV0", 200),
        ("Basic YWxpY2U6d3Jvbmc=", 401),
        ("Basic Ym9iOnNlY3JldA==", 401),
        ("Basic YWxpY2U=", 401),
        ("Basic !", 401),
        ("Bearer YWxpY2U6c2VjcmV0", 401),
    ] {
        let header = format!("Authorization: {credentials}");
        let answer = get(exporter.port, "/metrics", &[&header]);
        assert_eq!(answer.status, status, "{credentials}");
    }
}

/// One Prometheus trusts the certificate and knows the password; others do not, or speak without TLS.
fn tls() {
    let folder = Folder::new();
    let certificate = folder.write("cert.pem", include_str!("../../tls/cert.pem"));
    folder.write("key.pem", include_str!("../../tls/key.pem"));
    folder.write(
        "web.yml",
        &format!("tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\n{USERS}"),
    );
    let exporter = Exporter::with_config(&folder.write("t.toml", TOOL));
    let plain = exchange(exporter.port, b"GET /metrics HTTP/1.0\r\n\r\n");
    assert!(
        !String::from_utf8_lossy(&plain).contains("tracer_"),
        "served without TLS"
    );
    let target = format!(
        "static_configs: [{{targets: ['127.0.0.1:{}']}}]",
        exporter.port
    );
    let job = |name: &str, scheme: &str, password: &str, trust: &str| {
        format!(
            "- job_name: {name}\n  scheme: {scheme}\n  basic_auth: {{username: alice, password: {password}}}\n  \
             tls_config: {{{trust}}}\n  {target}\n"
        )
    };
    let trust = format!("ca_file: {certificate}");
    let jobs = [
        job("right", "https", "secret", &trust),
        job("wrong_password", "https", "guess", &trust),
        job("no_trust", "https", "secret", ""),
        job("no_tls", "http", "secret", ""),
        job(
            "old_tls",
            "https",
            "secret",
            &format!("{trust}, max_version: TLS11"),
        ),
    ];
    let prometheus = Prometheus::start(&jobs.concat(), &[]);
    assert_eq!(prometheus.wait_value("up{job=\"right\"}"), 1.0);
    for name in ["wrong_password", "no_trust", "no_tls", "old_tls"] {
        let up = prometheus.wait_value(&format!("up{{job=\"{name}\"}}"));
        assert_eq!(up, 0.0, "{name}");
    }
    assert_eq!(prometheus.wait_value("count(tracer_build_info)"), 1.0);
}
