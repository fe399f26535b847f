//! How a test is run. On a machine that others load, too, one that fails is run once more, by itself: what passes then is
//! told, and does not count as failed.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
    time::Duration,
};

use libtest_mimic::Failed;

/// Set where a test may be run twice.
const TWICE: &str = "E2E_TWICE";

/// What others have going on may have an end meanwhile.
const PAUSE: Duration = Duration::from_secs(3);

static FLAKY: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Runs a test, which fails by an error or by a panic.
pub fn attempt(name: &str, run: impl Fn() -> Result<(), String>) -> Result<(), Failed> {
    let Err(first) = once(&run) else {
        return Ok(());
    };
    if std::env::var_os(TWICE).is_none() {
        return Err(first.into());
    }
    thread::sleep(PAUSE);
    match once(&run) {
        Ok(()) => {
            // On one line.
            let told = format!("FLAKY {name}: {first:?}");
            FLAKY.lock().expect("lock").push(told);
            Ok(())
        }
        Err(second) => Err(format!("{first}\n--- and once more:\n{second}").into()),
    }
}

/// Tells which tests passed when they were run once more, and what they had said first.
pub fn tell_flaky() {
    for told in FLAKY.lock().expect("lock").iter() {
        println!("{told}");
    }
}

fn once(run: &impl Fn() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|&text| text.to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked".to_owned())
}
