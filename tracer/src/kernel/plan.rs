//! What shall be loaded and attached: data only, so that it can be looked at before anything happens.

use crate::probe::Hook;

use super::Kernel;

/// A program of the kernel object, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The program's name in the object.
    pub program: &'static str,
    /// The place.
    pub hook: Hook,
}

impl Attachment {
    /// `program` at `hook`.
    pub fn new(program: &'static str, hook: Hook) -> Self {
        Self { program, hook }
    }
}

/// Ways to learn the same thing, the best first: the first one that this kernel has is taken.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is learned: `a system call begins`.
    pub purpose: &'static str,
    /// Each a set of programs that are needed together.
    pub alternatives: Vec<Vec<Attachment>>,
}

impl Choice {
    /// The one way there is.
    pub fn only(purpose: &'static str, attachment: Attachment) -> Self {
        Self {
            purpose,
            alternatives: vec![vec![attachment]],
        }
    }

    /// The index of the first alternative that this kernel has; where it has none, why, one reason each.
    pub fn take(&self, kernel: &Kernel) -> Result<usize, Vec<String>> {
        let mut reasons = Vec::new();
        for (index, alternative) in self.alternatives.iter().enumerate() {
            let available = alternative
                .iter()
                .try_for_each(|attachment| attachment.hook.available(kernel));
            match available {
                Ok(()) => return Ok(index),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons)
    }

    /// The programs of the first alternative that this kernel has.
    pub fn attachments(&self, kernel: &Kernel) -> anyhow::Result<Vec<Attachment>> {
        // Where there is only one, attaching is the last word; looking first would only take time.
        if let [only] = self.alternatives.as_slice() {
            return Ok(only.clone());
        }
        match self.take(kernel) {
            Ok(index) => Ok(self.alternatives[index].clone()),
            Err(reasons) => {
                anyhow::bail!("cannot learn when {}: {}", self.purpose, reasons.join("; "))
            }
        }
    }
}

/// A value that the kernel side reads as a constant: the verifier removes what it makes unreachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The name of the `Global` static in the object.
    pub name: &'static str,
    /// Its bytes, as long as the static.
    pub bytes: Vec<u8>,
}

impl Global {
    /// A constant of 8 bytes.
    pub fn u64(name: &'static str, value: u64) -> Self {
        Self {
            name,
            bytes: value.to_ne_bytes().to_vec(),
        }
    }

    /// A constant of 4 bytes.
    pub fn u32(name: &'static str, value: u32) -> Self {
        Self {
            name,
            bytes: value.to_ne_bytes().to_vec(),
        }
    }

    /// An array of constants of 4 bytes.
    pub fn u32s(name: &'static str, values: &[u32]) -> Self {
        Self {
            name,
            bytes: values
                .iter()
                .flat_map(|value| value.to_ne_bytes())
                .collect(),
        }
    }
}

/// All that goes into the kernel for one run.
#[derive(Default)]
pub struct Plan {
    /// The ELF of the kernel object.
    pub object: &'static [u8],
    /// Constants to set. One that the object does not have is an error: a filter that isn't there
    /// must not pass in silence.
    pub globals: Vec<Global>,
    /// Constants that tell of this kernel. One that the object does not use is left out.
    pub facts: Vec<Global>,
    /// Maps whose size differs from the one in the object, in entries (ring buffers: bytes).
    pub map_sizes: Vec<(&'static str, u32)>,
    /// What to attach, in this order. Programs of the object that are not named here are not loaded.
    pub attachments: Vec<Attachment>,
}
