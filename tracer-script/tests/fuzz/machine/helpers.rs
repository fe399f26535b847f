//! The kernel's helpers.

use tracer_script::program::Program;

use super::{FUNCTIONS, Fault, MAPS, Machine, PROCESS, THREAD};

const EFAULT: u64 = -14i64 as u64;
const ENOENT: u64 = -2i64 as u64;
const EEXIST: u64 = -17i64 as u64;
const E2BIG: u64 = -7i64 as u64;

/// `BPF_MAX_LOOPS` of `include/linux/bpf_verifier.h`.
const ROUNDS_MAX: u64 = 8 << 20;

impl Machine<'_> {
    pub(super) fn call(
        &mut self,
        program: &Program,
        helper: i32,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        let [first, second, third, fourth, _] = args;
        match helper {
            1 | 195 => {
                let (map, key) = self.map_and_key(first, second)?;
                let entry = self.entry(map, &key);
                Ok(entry.map_or(0, |region| self.pointer(region)))
            }
            2 => self.update(first, second, third, fourth),
            3 => {
                let (map, key) = self.map_and_key(first, second)?;
                let removed = self.maps[map].all.remove(&key);
                Ok(if removed.is_some() { 0 } else { ENOENT })
            }
            5 | 118 | 125 | 208 => {
                self.time += 1000;
                Ok(self.time)
            }
            7 => Ok(4),
            8 | 42 => Ok(0),
            14 => Ok((PROCESS as u64) << 32 | THREAD as u64),
            15 => Ok(0),
            16 => {
                self.bytes(first, second as usize)?.fill(0);
                self.bytes(first, 4)?.copy_from_slice(b"test");
                Ok(0)
            }
            35 | 80 | 174 => Ok(0),
            158 => Ok(self.task()),
            112..=115 => self.probe_read(helper, first, second as usize, third),
            131 => {
                let region = self.region(vec![0xaa; second as usize]);
                Ok(self.pointer(region))
            }
            132 | 133 => Ok(0),
            164 => self.for_each(program, first, second, third),
            181 => self.rounds(program, first, second, third),
            _ => Err(format!("helper {helper} is not there")),
        }
    }

    /// The running task: as the fixed facts lay it out, with the numbers that helper 14 gives.
    fn task(&mut self) -> u64 {
        const TASK_BYTES: usize = 256;
        const PID: usize = 48;
        const TGID: usize = 52;
        let mut task = vec![0; TASK_BYTES];
        task[PID..PID + 4].copy_from_slice(&(THREAD as u32).to_ne_bytes());
        task[TGID..TGID + 4].copy_from_slice(&(PROCESS as u32).to_ne_bytes());
        let region = self.region(task);
        self.pointer(region)
    }

    fn map_and_key(&mut self, map: u64, key: u64) -> Result<(usize, Vec<u8>), Fault> {
        let map = map.checked_sub(MAPS).filter(|map| *map < 0x1_0000);
        let map = map.ok_or("no map")? as usize;
        let size = self.image.maps[map].key_size as usize;
        Ok((map, self.bytes(key, size)?.to_vec()))
    }

    fn update(&mut self, map: u64, key: u64, value: u64, flags: u64) -> Result<u64, Fault> {
        let (map, key) = self.map_and_key(map, key)?;
        let size = self.image.maps[map].value_size as usize;
        let value = self.bytes(value, size)?.to_vec();
        match self.entry(map, &key) {
            // BPF_NOEXIST
            Some(_) if flags == 1 => return Ok(EEXIST),
            Some(region) => self.memory[region] = value,
            None if self.maps[map].all.len() >= self.image.maps[map].entries as usize => {
                return Ok(E2BIG);
            }
            None => {
                let region = self.region(value);
                self.maps[map].all.insert(key, region);
            }
        }
        Ok(0)
    }

    fn probe_read(&mut self, helper: i32, to: u64, size: usize, from: u64) -> Result<u64, Fault> {
        let is_text = helper >= 114;
        if !is_text {
            let bytes = self.bytes(from, size).map(|bytes| bytes.to_vec());
            let to = self.bytes(to, size)?;
            let Ok(bytes) = bytes else {
                to.fill(0);
                return Ok(EFAULT);
            };
            to.copy_from_slice(&bytes);
            return Ok(0);
        }
        for at in 0..size {
            let byte = self.bytes(from + at as u64, 1).map(|bytes| bytes[0]);
            let to = self.bytes(to, size)?;
            match byte {
                Ok(byte) if at + 1 < size => to[at] = byte,
                Ok(_) => to[at] = 0,
                Err(_) => {
                    to[0] = 0;
                    return Ok(EFAULT);
                }
            }
            if to[at] == 0 {
                return Ok(at as u64 + 1);
            }
        }
        Ok(0)
    }

    fn for_each(
        &mut self,
        program: &Program,
        map: u64,
        callback: u64,
        context: u64,
    ) -> Result<u64, Fault> {
        let start = (callback - FUNCTIONS) as usize;
        let entries: Vec<(Vec<u8>, usize)> = self.maps[(map - MAPS) as usize]
            .all
            .iter()
            .map(|(key, &region)| (key.clone(), region))
            .collect();
        let mut done = 0;
        for (key, value) in entries {
            let key = self.region(key);
            let args = [map, self.pointer(key), self.pointer(value), context];
            done += 1;
            if self.function(program, start, &args)? != 0 {
                break;
            }
        }
        Ok(done)
    }

    fn rounds(
        &mut self,
        program: &Program,
        rounds: u64,
        callback: u64,
        context: u64,
    ) -> Result<u64, Fault> {
        // It takes a `u32`.
        let rounds = u64::from(rounds as u32);
        if rounds > ROUNDS_MAX {
            return Ok(E2BIG);
        }
        let start = (callback - FUNCTIONS) as usize;
        for round in 0..rounds {
            if self.function(program, start, &[round, context])? != 0 {
                return Ok(round + 1);
            }
        }
        Ok(rounds)
    }
}
