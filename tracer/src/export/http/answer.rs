//! What is served where.

use std::{convert::Infallible, sync::Arc};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    Scrapes,
    cache::NoAnswer,
    web::{Current, Verdict, Web},
};
use crate::export::{
    format::{Format, accepts_gzip},
    own::Served,
    page,
    source::State,
};

/// All that is served.
pub struct Site {
    scrapes: Scrapes,
    web: Current,
}

type Answer = Response<Full<Bytes>>;

impl Site {
    /// By way of these scrapes, for those whom the web configuration lets in.
    pub fn new(scrapes: Scrapes, web: Current) -> Self {
        Self { scrapes, web }
    }

    /// The web configuration of this moment.
    pub fn web(&self) -> Arc<Web> {
        self.web.get()
    }

    /// Counts of what is served.
    pub fn served(&self) -> &Served {
        self.scrapes.served()
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let web = self.web();
        let mut answer = match admit(&web, &request).await {
            Ok(()) => self.route(&request).await,
            Err(refusal) => refusal,
        };
        answer.headers_mut().extend(web.headers.iter().cloned());
        if answer.status().is_client_error() || answer.status().is_server_error() {
            self.served().refused();
        }
        Ok(answer)
    }

    async fn route(&self, request: &Request<Incoming>) -> Answer {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut answer = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are served here\n",
            );
            answer
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(request.headers()).await,
            "/" => page(),
            "/status.json" => self.status().await,
            "/healthz" => self.health().await,
            "/readyz" => self.readiness().await,
            _ => plain(
                StatusCode::NOT_FOUND,
                "there is nothing here: see / and /metrics\n",
            ),
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Answer {
        let scrape = match self.scrapes.take().await {
            Ok(scrape) => scrape,
            Err(error) => return unavailable(&error),
        };
        let format = Format::negotiate(&joined(headers, header::ACCEPT));
        let packed = accepts_gzip(&joined(headers, header::ACCEPT_ENCODING));
        let body = self.scrapes.body(&scrape, format, packed);
        self.served().scraped(format);
        let mut answer = Response::new(Full::new(body));
        let headers = answer.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.content_type()),
        );
        if packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer
    }

    /// What the page shows.
    async fn status(&self) -> Answer {
        match self.scrapes.take().await {
            Ok(scrape) => {
                let status = page::status(&scrape.snapshot).to_string();
                with_type(Response::new(Full::new(status.into())), "application/json")
            }
            Err(error) => unavailable(&error),
        }
    }

    /// It is well where tracing answers.
    async fn health(&self) -> Answer {
        match self.scrapes.take().await {
            Ok(_) => plain(StatusCode::OK, "ok\n"),
            Err(error) => unavailable(&error),
        }
    }

    /// It is ready where every source traces.
    async fn readiness(&self) -> Answer {
        let scrape = match self.scrapes.take().await {
            Ok(scrape) => scrape,
            Err(error) => return unavailable(&error),
        };
        let sources = scrape.snapshot.sources.iter();
        let down = sources.filter(|source| source.state != State::Up);
        let down: Vec<&str> = down.map(|source| source.name.as_str()).collect();
        match down.as_slice() {
            [] => plain(StatusCode::OK, "ready\n"),
            down => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("down: {}; the log says why\n", down.join(", ")),
            ),
        }
    }
}

/// Lets in who has proven who they are.
async fn admit(web: &Web, request: &Request<Incoming>) -> Result<(), Answer> {
    let Some(guard) = &web.guard else {
        return Ok(());
    };
    let authorization = request.headers().get(header::AUTHORIZATION);
    match guard
        .look(authorization.and_then(|value| value.to_str().ok()))
        .await
    {
        Verdict::Welcome => Ok(()),
        Verdict::Busy => Err(plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many passwords wait to be looked at\n",
        )),
        Verdict::Refused => {
            let mut refusal = plain(
                StatusCode::UNAUTHORIZED,
                "a user and a password are needed\n",
            );
            let realm = HeaderValue::from_static("Basic realm=\"tracer\", charset=\"UTF-8\"");
            refusal
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, realm);
            Err(refusal)
        }
    }
}

/// A header that may come more than once. What is not ASCII says nothing.
fn joined(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn unavailable(error: &NoAnswer) -> Answer {
    plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))
}

fn page() -> Answer {
    let answer = Response::new(Full::new(Bytes::from_static(page::HTML.as_bytes())));
    let mut answer = with_type(answer, "text/html; charset=utf-8");
    let policy = HeaderValue::from_static(page::POLICY);
    answer
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    answer
}

fn with_type(mut answer: Answer, kind: &'static str) -> Answer {
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    with_type(answer, "text/plain; charset=utf-8")
}
