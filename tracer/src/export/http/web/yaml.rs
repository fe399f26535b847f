//! The file itself. What it may say and is not done here is refused, with its place.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::bail;
use hyper::header::{HeaderName, HeaderValue};
use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};

use crate::export::config::{place::Wrong, trust};

/// What the file says.
#[derive(Debug, Default)]
pub struct File {
    /// TLS.
    pub tls: Option<Tls>,
    /// Users, and the bcrypt hashes of their passwords.
    pub users: BTreeMap<String, String>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What it says of TLS.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those that it is signed by.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of those who may come in.
    pub client_ca: Option<PathBuf>,
    /// Whether those who have none may, too.
    pub client_may_have_none: bool,
    /// TLS 1.3 only.
    pub only_tls13: bool,
}

/// Reads a file. Files that it names are looked for from its folder on.
pub fn read(path: &Path) -> anyhow::Result<File> {
    let text = trust::read(path)?;
    parse(path, &text)
}

/// Headers that a web configuration may set.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

type Node<'i> = MarkedYaml<'i>;

fn parse(path: &Path, text: &str) -> anyhow::Result<File> {
    let reader = Reader { path };
    let documents = MarkedYaml::load_from_str(text).map_err(|error| Wrong {
        file: path.display().to_string(),
        place: Some((error.marker().line(), error.marker().col() + 1)),
        reason: error.info().to_owned(),
    })?;
    let mut file = File::default();
    let Some(document) = documents.first() else {
        return Ok(file);
    };
    for (key, value) in reader.mapping(document)? {
        match reader.text(key)? {
            "tls_server_config" => file.tls = Some(reader.tls(value)?),
            "http_server_config" => file.headers = reader.http(value)?,
            "basic_auth_users" => file.users = reader.users(value)?,
            other => return Err(reader.wrong(key, format!("unknown field {other}"))),
        }
    }
    Ok(file)
}

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn wrong(&self, node: &Node<'_>, reason: impl Into<String>) -> anyhow::Error {
        let wrong = Wrong {
            file: self.path.display().to_string(),
            place: Some((node.span.start.line(), node.span.start.col() + 1)),
            reason: reason.into(),
        };
        wrong.into()
    }

    fn mapping<'n, 'i>(
        &self,
        node: &'n Node<'i>,
    ) -> anyhow::Result<Vec<(&'n Node<'i>, &'n Node<'i>)>> {
        match &node.data {
            YamlData::Mapping(mapping) => Ok(mapping.iter().collect()),
            YamlData::Value(saphyr::Scalar::Null) => Ok(Vec::new()),
            _ => Err(self.wrong(node, "fields with values are expected here")),
        }
    }

    fn text<'n>(&self, node: &'n Node<'_>) -> anyhow::Result<&'n str> {
        match node.data.as_str() {
            Some(text) => Ok(text),
            None => Err(self.wrong(node, "a text is expected here")),
        }
    }

    fn file(&self, node: &Node<'_>) -> anyhow::Result<PathBuf> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        Ok(folder.join(self.text(node)?))
    }

    fn tls(&self, node: &Node<'_>) -> anyhow::Result<Tls> {
        let mut tls = Tls::default();
        let mut verifies = false;
        for (key, value) in self.mapping(node)? {
            match self.text(key)? {
                "cert_file" => tls.cert = self.file(value)?,
                "key_file" => tls.key = self.file(value)?,
                "client_ca_file" => tls.client_ca = Some(self.file(value)?),
                "client_auth_type" => match self.text(value)? {
                    "" | "NoClientCert" => {}
                    "RequireAndVerifyClientCert" => verifies = true,
                    "VerifyClientCertIfGiven" => {
                        verifies = true;
                        tls.client_may_have_none = true;
                    }
                    other => {
                        let reason = format!(
                            "{other} proves nothing: RequireAndVerifyClientCert or VerifyClientCertIfGiven"
                        );
                        return Err(self.wrong(value, reason));
                    }
                },
                "min_version" => match self.text(value)? {
                    "TLS12" => {}
                    "TLS13" => tls.only_tls13 = true,
                    other => {
                        return Err(
                            self.wrong(value, format!("{other} is not safe: TLS12 or TLS13"))
                        );
                    }
                },
                // Nothing older than the newest is left out, and the order of suites is always ours.
                "max_version" if self.text(value)? == "TLS13" => {}
                "prefer_server_cipher_suites" => {}
                other => {
                    let reason =
                        format!("{other} is not known here: suites and curves are those of rustls");
                    return Err(self.wrong(key, reason));
                }
            }
        }
        if tls.cert.as_os_str().is_empty() || tls.key.as_os_str().is_empty() {
            return Err(self.wrong(node, "cert_file and key_file are needed"));
        }
        if verifies != tls.client_ca.is_some() {
            return Err(self.wrong(
                node,
                "client_auth_type and client_ca_file are needed together",
            ));
        }
        Ok(tls)
    }

    fn users(&self, node: &Node<'_>) -> anyhow::Result<BTreeMap<String, String>> {
        let mut users = BTreeMap::new();
        for (user, hash) in self.mapping(node)? {
            let text = self.text(hash)?;
            if text.parse::<bcrypt::HashParts>().is_err() {
                let reason = "not a bcrypt hash, as htpasswd -nBC 10 USER makes it";
                return Err(self.wrong(hash, reason));
            }
            users.insert(self.text(user)?.to_owned(), text.to_owned());
        }
        Ok(users)
    }

    fn http(&self, node: &Node<'_>) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for (key, value) in self.mapping(node)? {
            match self.text(key)? {
                // It says that HTTP/2 may be spoken, not that it must.
                "http2" => {}
                "headers" => {
                    for (name, value) in self.mapping(value)? {
                        headers.push(self.header(name, value)?);
                    }
                }
                other => return Err(self.wrong(key, format!("unknown field {other}"))),
            }
        }
        Ok(headers)
    }

    fn header(
        &self,
        name: &Node<'_>,
        value: &Node<'_>,
    ) -> anyhow::Result<(HeaderName, HeaderValue)> {
        let text = self.text(name)?;
        if !HEADERS
            .iter()
            .any(|header| header.eq_ignore_ascii_case(text))
        {
            return Err(self.wrong(name, format!("must be one of {}", HEADERS.join(", "))));
        }
        match (text.parse(), self.text(value)?.parse()) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => bail!(self.wrong(value, "not a header's value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

    fn of(text: &str) -> Result<File, String> {
        parse(Path::new("/etc/w.yml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_usual_file_is_understood() {
        let file = of(&format!(
            "tls_server_config:\n  cert_file: a.crt\n  key_file: /k\n  min_version: TLS13\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n\
             http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n\
             basic_auth_users:\n  alice: {HASH}\n"
        ))
        .expect("it is right");
        let tls = Tls {
            cert: "/etc/a.crt".into(),
            key: "/k".into(),
            client_ca: Some("/etc/ca.crt".into()),
            client_may_have_none: false,
            only_tls13: true,
        };
        assert_eq!(file.tls, Some(tls));
        assert_eq!(file.users["alice"], HASH);
        assert_eq!(file.headers.len(), 1);
        assert!(of("").expect("nothing is right, too").tls.is_none());
    }

    #[test]
    fn what_is_not_done_is_refused_with_its_place() {
        for (text, expected) in [
            ("a: 1", "/etc/w.yml:1:1: unknown field a"),
            (
                "[1]",
                "/etc/w.yml:1:1: fields with values are expected here",
            ),
            (
                "basic_auth_users:\n  bob: secret",
                "/etc/w.yml:2:8: not a bcrypt hash",
            ),
            (
                "tls_server_config:\n  cert_file: x",
                "/etc/w.yml:2:3: cert_file and key_file are needed",
            ),
            (
                "tls_server_config:\n  min_version: TLS10",
                "/etc/w.yml:2:16: TLS10 is not safe",
            ),
            (
                "tls_server_config:\n  cipher_suites: [x]",
                "/etc/w.yml:2:3: cipher_suites is not known here",
            ),
            (
                "tls_server_config:\n  client_auth_type: RequireAnyClientCert",
                "/etc/w.yml:2:21: RequireAnyClientCert proves nothing",
            ),
            (
                "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_ca_file: c",
                "/etc/w.yml:2:3: client_auth_type and client_ca_file are needed together",
            ),
            (
                "http_server_config:\n  headers:\n    X: y",
                "/etc/w.yml:3:5: must be one of",
            ),
            ("a: [", "/etc/w.yml:"),
        ] {
            let error = of(text).expect_err(text);
            assert!(error.starts_with(expected), "{text}\n{error}");
        }
    }
}
