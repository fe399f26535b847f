//! Basic authentication. A password's hash takes long to reckon, which is its purpose: who has proven theirs once is
//! remembered, and others are looked at one by one, on another thread.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{digest, rand};
use tokio::{task::spawn_blocking, time::sleep};

/// Proofs that are remembered, at most.
const PROVEN_MAX: usize = 256;

/// Those who wait for their password to be looked at, at most.
const WAITING_MAX: usize = 32;

/// After a wrong password the next one is looked at no sooner: guessing does not take a CPU.
const PAUSE: Duration = Duration::from_millis(300);

/// Bytes that bcrypt looks at.
const PASSWORD_MAX: usize = 72;

/// What a look at the credentials came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may come in.
    Welcome,
    /// They have not proven who they are.
    Refused,
    /// Too many wait already.
    Busy,
}

/// Who may come in.
pub struct Guard {
    users: BTreeMap<String, String>,
    /// Digests of credentials that were right. With a salt, so that they tell nothing.
    proven: Mutex<HashSet<[u8; digest::SHA256_OUTPUT_LEN]>>,
    salt: [u8; 32],
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

impl Guard {
    /// Lets these users in, with passwords that have these hashes.
    pub fn new(users: BTreeMap<String, String>) -> Self {
        let salt = rand::generate::<[u8; 32]>(&rand::SystemRandom::new());
        Self {
            users,
            proven: Mutex::default(),
            salt: salt.expect("the kernel gives random numbers").expose(),
            turn: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Looks at an `Authorization` header.
    pub async fn look(&self, authorization: Option<&str>) -> Verdict {
        let Some((user, password)) = authorization.and_then(credentials) else {
            return Verdict::Refused;
        };
        let proof = self.proof(&user, &password);
        if self.is_proven(&proof) {
            return Verdict::Welcome;
        }
        if self.waiting.fetch_add(1, Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Relaxed);
            return Verdict::Busy;
        }
        let verdict = self.verify(user, password, proof).await;
        self.waiting.fetch_sub(1, Relaxed);
        verdict
    }

    async fn verify(&self, user: String, password: Vec<u8>, proof: Proof) -> Verdict {
        let turn = self.turn.lock().await;
        // Someone else may have proven the same meanwhile.
        if self.is_proven(&proof) {
            return Verdict::Welcome;
        }
        // Who is not known takes as long as who is: any hash will do.
        let known = self.users.get(&user);
        let hash = known
            .or_else(|| self.users.values().next())
            .cloned()
            .unwrap_or_default();
        let matches =
            spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
        if known.is_some() && matches.unwrap_or(false) {
            self.remember(proof);
            return Verdict::Welcome;
        }
        sleep(PAUSE).await;
        drop(turn);
        Verdict::Refused
    }

    fn proof(&self, user: &str, password: &[u8]) -> Proof {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.salt);
        context.update(&(user.len() as u64).to_le_bytes());
        context.update(user.as_bytes());
        context.update(password);
        context
            .finish()
            .as_ref()
            .try_into()
            .expect("it has this length")
    }

    fn is_proven(&self, proof: &Proof) -> bool {
        self.proven
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(proof)
    }

    fn remember(&self, proof: Proof) {
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= PROVEN_MAX {
            proven.clear();
        }
        proven.insert(proof);
    }
}

type Proof = [u8; digest::SHA256_OUTPUT_LEN];

/// User and password of a header.
fn credentials(authorization: &str) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut user = STANDARD.decode(encoded.trim()).ok()?;
    let colon = user.iter().position(|&byte| byte == b':')?;
    let password = user.split_off(colon + 1);
    user.pop();
    // What bcrypt does not look at must not be left open.
    if password.len() > PASSWORD_MAX {
        return None;
    }
    Some((String::from_utf8(user).ok()?, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn headers_are_taken_apart() {
        let found = credentials(&header("al:ice:x"));
        assert_eq!(found, Some(("al".to_owned(), b"ice:x".to_vec())));
        assert_eq!(
            credentials("basic YTo="),
            Some(("a".to_owned(), Vec::new()))
        );
        for wrong in [
            "",
            "Basic",
            "Basic !",
            "Bearer YTo=",
            "Basic YQ==",
            &header(&format!("a:{}", "x".repeat(73))),
        ] {
            assert_eq!(credentials(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_right_password_opens() {
        let hash = bcrypt::hash("secret", 4).expect("hashed");
        let guard = Guard::new(BTreeMap::from([("alice".to_owned(), hash)]));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("built");
        let look = |text: Option<&str>| runtime.block_on(guard.look(text));
        assert_eq!(look(None), Verdict::Refused);
        assert_eq!(look(Some(&header("alice:wrong"))), Verdict::Refused);
        assert_eq!(look(Some(&header("bob:secret"))), Verdict::Refused);
        assert_eq!(look(Some(&header("alice:secret"))), Verdict::Welcome);
        assert_eq!(look(Some(&header("alice:secret"))), Verdict::Welcome);
        assert_eq!(guard.proven.lock().expect("whole").len(), 1);
    }
}
